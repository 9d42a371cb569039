package bench

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
)

// auditLog counts requests in Vault's own audit log, which names each before it is answered.
type auditLog struct{ file string }

func (s *stack) auditLog(b *testing.B) auditLog {
	b.Helper()
	file, err := s.vault.EnableAudit(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return auditLog{file}
}

// tally is how many requests there were of each operation.
type tally map[string]int

func (t tally) total() (n int) {
	for _, count := range t {
		n += count
	}
	return n
}

// String lists the operations, the most frequent first.
func (t tally) String() string {
	names := slices.SortedFunc(maps.Keys(t), func(x, y string) int {
		if t[x] != t[y] {
			return t[y] - t[x]
		}
		return strings.Compare(x, y)
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, strconv.Itoa(t[name])+" "+name)
	}
	return strings.Join(parts, ", ")
}

// between counts the requests of plugins that came in [from, to): all that
// concern the key or a login and were not made by root.
func (l auditLog) between(b *testing.B, from, to time.Time) tally {
	b.Helper()
	f, err := os.Open(l.file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	counts := tally{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20) // a batch is logged with all its items
	for lines.Scan() {
		var entry struct {
			Time time.Time `json:"time"`
			Type string    `json:"type"`
			Auth struct {
				DisplayName string `json:"display_name"`
			} `json:"auth"`
			Request struct {
				Path string `json:"path"`
			} `json:"request"`
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			b.Fatalf("%s: %v", l.file, err)
		}
		if entry.Type != "request" || entry.Auth.DisplayName == "root" || entry.Time.Before(from) || !entry.Time.Before(to) {
			continue
		}
		if op := operation(entry.Request.Path); op != "" {
			counts[op]++
		}
	}
	if err := lines.Err(); err != nil {
		b.Fatal(err)
	}
	return counts
}

// operation is what a request was for, empty if it concerns no plugin.
func operation(path string) string {
	if rest, ok := strings.CutPrefix(path, cluster.TransitMount+"/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		if name == "keys" {
			return "read key"
		}
		return name
	}
	if strings.HasPrefix(path, "auth/") {
		return "login or renewal"
	}
	return ""
}
