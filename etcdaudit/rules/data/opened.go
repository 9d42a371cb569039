package data

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// opening is the rules about values that were opened.
func opening() (live, older []rule) {
	return []rule{decryptable(), rightObject()}, []rule{olderDecryptable(), olderRightObject()}
}

// judgeOpened is the Run of the rules about what cannot be decrypted: one result about that, and
// another one about what was not opened, which must not be lost behind the first. clean is what is
// said where each value opens.
func judgeOpened(status check.Status, todo string, clean func(s facts.Store, summary string) check.Result) func(facts.Store) []check.Result {
	return func(s facts.Store) (results []check.Result) {
		v := s.Verified
		if n := v.Undecryptable(); n > 0 {
			r := check.Result{Status: status, Count: n, Remedy: todo, Summary: fmt.Sprintf("%d of %s cannot be decrypted: %s", n, values(v.Values), byOutcome(v))}
			r.Objects = objects(s, func(f verify.Finding) (string, bool) { return reason(f.Result), f.Result.Outcome.Undecryptable() })
			results = append(results, r)
		}
		results = append(results, unopened(v)...)
		if len(results) == 0 {
			results = append(results, clean(s, fmt.Sprintf("each of %s opens", values(v.Values))))
		}
		return results
	}
}

// unopened is the result about what was not opened, if there is such a value.
func unopened(v *verify.Tally) []check.Result {
	n := v.Outcomes[verify.NotEvaluated]
	if n == 0 {
		return nil
	}
	return []check.Result{check.Unevaluated("", fmt.Sprintf("%d of %s could not be opened: %s", n, values(v.Values), whys(v)), give)}
}

// give is what helps where values were not opened.
const give = "give what opens them: --plugin-socket for each KMS v2 plugin, --transit for the Transit key alone, --encryption-provider-config for other keys"

// byOutcome counts what cannot be decrypted by its reason.
func byOutcome(v *verify.Tally) string {
	var parts []string
	for _, o := range verify.Outcomes() {
		if n := v.Outcomes[o]; o.Undecryptable() && n > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", n, o))
		}
	}
	return strings.Join(parts, ", ")
}

// mostWhys is how many reasons a line names.
const mostWhys = 5

// whys counts what was not opened by its reason, the most frequent first.
func whys(v *verify.Tally) string {
	all := slices.SortedFunc(maps.Keys(v.Unevaluated), func(a, b string) int {
		if n, m := v.Unevaluated[a], v.Unevaluated[b]; n != m {
			return int(m - n)
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, why := range all {
		n := v.Unevaluated[why]
		switch {
		case n == 0: // all of them were retracted
		case len(parts) == mostWhys:
			return strings.Join(append(parts, "and others"), "; ")
		case why == "":
			parts = append(parts, fmt.Sprintf("%d for one reason or another", n))
		default:
			parts = append(parts, fmt.Sprintf("%d, because %s", n, term.Printable(why)))
		}
	}
	return strings.Join(parts, "; ")
}

// objects names what a result is about.
func objects(s facts.Store, about func(verify.Finding) (detail string, ok bool)) (all []check.Object) {
	for _, f := range s.Verified.Findings() {
		if detail, ok := about(f); ok {
			o := s.Inventory.Object([]byte(f.Key), f.Revision)
			o.Detail = detail
			all = append(all, o)
		}
	}
	return all
}

// reason says why a value cannot be decrypted.
func reason(r verify.Result) string {
	text := r.Outcome.String()
	switch {
	case r.From != "":
		text += " from " + term.Printable(r.From)
	case r.Name != "":
		text += ": " + term.Printable(r.Name)
	}
	if r.Why != "" {
		text += " (" + term.Printable(r.Why) + ")"
	}
	return text
}
