package report

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// capital begins a text with a capital letter, unless it begins with a path, a mode, or the name
// of a program.
func capital(s string) string {
	word, _, _ := strings.Cut(s, " ")
	programs := []string{"chmod", "chown", "etcd", "etcdaudit", "etcdctl", "kine", "kubectl", "systemctl"}
	if strings.ContainsFunc(strings.TrimRight(word, ",:;"), func(r rune) bool { return !unicode.IsLetter(r) }) || slices.Contains(programs, word) {
		return s
	}
	_, first := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:first]) + s[first:]
}

// day is the date of a time, in UTC; nothing for none.
func day(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.DateOnly)
}

// madeAt is when the report was made: the latest time of its scopes. Times in a report are told
// relative to it, never to the clock of the machine that writes it: a stored report says the
// same each time. It is zero where no scope has a time.
func madeAt(r *auditv1.Report) (latest time.Time) {
	for _, s := range r.Scopes {
		if s.Time != nil && s.Time.AsTime().After(latest) {
			latest = s.Time.AsTime()
		}
	}
	return latest
}

// daysLeft is how many whole days there are from now until then, below zero for what is over. A
// time.Duration ends after 292 years, and certificates without an end are valid until 9999.
func daysLeft(now time.Time, then *timestamppb.Timestamp) int {
	const day = 24 * 60 * 60
	left := then.AsTime().Unix() - now.Unix()
	days := left / day
	if left < 0 && left%day != 0 {
		days--
	}
	return int(days)
}
