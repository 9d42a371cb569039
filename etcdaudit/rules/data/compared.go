package data

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// compared is the Run of the rules that compare the store with the
// EncryptionConfiguration: it finds values of the wanted drifts. summary and do are about
// such values, clean is what is said if there are none.
func compared(status check.Status, summary string, do step, clean func(facts.Store) string, wanted ...drift.Drift) func(facts.Store) []check.Result {
	return one(func(s facts.Store) check.Result {
		f := find(s, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
			return shown(c), slices.Contains(wanted, c.Drift)
		})
		if f.values > 0 {
			return f.finding(s, status, summary+": "+strings.Join(f.per, ", "), do)
		}
		if reason := unjudged(s); reason != "" {
			return check.Unevaluated("", reason, "")
		}
		said, foreign := clean(s), names(s.Inventory.Foreign())
		switch {
		// A check that looked at nothing passes nothing.
		case len(s.Inventory.Foreign()) == len(s.Inventory.Resources()):
			return check.Unevaluated("", "everything here is of another API server than that of this file: "+foreign, "")
		case foreign != "":
			said += "; not judged, because this is the file of another API server: " + foreign
		}
		return check.Passed("", said)
	})
}

// shown is what a value shows, and its drift.
func shown(c *inventory.Count) string {
	return strings.TrimSpace(c.Format.String()+" "+term.Printable(c.Name)) + ", " + c.Drift.String()
}

func names(resources []*inventory.Resource) string {
	var all []string
	for _, r := range resources {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}

// unjudged says why values or resources were left out, if any were.
func unjudged(s facts.Store) string {
	var unknown, reasons []string
	var malformed, ambiguous int64
	for _, r := range s.Inventory.Resources() {
		if r.Foreign {
			continue
		}
		if r.Mixed {
			reasons = append(reasons, mixed(r))
			continue
		}
		if !r.Ruled {
			unknown = append(unknown, r.String())
			continue
		}
		for _, c := range r.Groups() {
			switch {
			case c.Drift != drift.Unjudged:
			case c.Problem != storedvalue.NoProblem:
				malformed += c.Values
			default:
				ambiguous += c.Values
			}
		}
	}
	if len(unknown) > 0 {
		reasons = append(reasons, "the configuration's rule for these is not known, because their API group is not: "+strings.Join(unknown, ", "))
	}
	if malformed > 0 {
		reasons = append(reasons, values(malformed)+" malformed (see EA-102)")
	}
	if ambiguous > 0 { // only where keys were not tried
		reasons = append(reasons, values(ambiguous)+" of a name that several keys of the configuration have")
	}
	return strings.Join(reasons, "; ")
}

// mixed says why no rule is known for resources that are counted together.
func mixed(r *inventory.Resource) string {
	if r.Name == inventory.Other {
		return fmt.Sprintf("there are more resources than this program tells apart, and it does not know the rule for %s beyond them: %s", values(r.Values), r.Name)
	}
	return fmt.Sprintf("no API server builds such keys, so that no rule is known for %s: %s", values(r.Values), r.Name)
}

// readBy says what shows that encrypted values can be read: their keys prove more than
// their names.
func readBy(s facts.Store) string {
	var opened, byName int64
	for _, r := range s.Inventory.Resources() {
		for _, c := range r.Groups() {
			switch {
			case c.Format.Plaintext() || c.Drift == drift.Unjudged || c.Drift.Unreadable():
			case c.Opened:
				opened += c.Values
			default:
				byName += c.Values
			}
		}
	}
	switch {
	case opened == 0 && byName == 0:
		return ""
	case byName == 0:
		return fmt.Sprintf("; all %s opened with its keys", number(opened, "encrypted value"))
	case opened == 0:
		return fmt.Sprintf("; by name: %s with no key in the file to try", number(byName, "encrypted value"))
	default:
		return fmt.Sprintf("; %s opened with its keys, %d by name, with no key in the file to try", number(opened, "encrypted value"), byName)
	}
}
