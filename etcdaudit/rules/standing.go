package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// standingCheck is the common part of the rules that compare the store with the
// EncryptionConfiguration. clean is what is said when no value stands in one of
// the wanted ways.
func standingCheck(status auditv1.Status, clean func(Input) string, summary string, wanted ...encryptionconfig.Standing) func(Input) Outcome {
	return func(in Input) Outcome {
		if in.Inventory.Config == nil {
			return notApplicable("no --encryption-provider-config was given")
		}
		if o, ok := empty(in); ok {
			return o
		}
		f := find(in, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
			return standsSo(c), slices.Contains(wanted, c.Standing)
		})
		if f.values > 0 {
			return f.outcome(status, summary+": "+strings.Join(f.per, ", "))
		}
		if reason := unjudged(in); reason != "" {
			return notEvaluated(reason)
		}
		if reason := allForeign(in); reason != "" {
			return notEvaluated(reason)
		}
		said := clean(in)
		if names := foreign(in); len(names) > 0 {
			said += "; not judged, because this is the file of another API server: " + strings.Join(names, ", ")
		}
		return pass(said)
	}
}

// standsSo is what a value shows and how it stands.
func standsSo(c *inventory.Count) string {
	shown := c.Format.String()
	if c.Name != "" {
		shown += " " + term.Printable(c.Name)
	}
	return shown + ", " + c.Standing.String()
}

// unjudged says why values or resources were left out, if any were.
func unjudged(in Input) string {
	var unknown, reasons []string
	var malformed, ambiguous int64
	for _, r := range in.Inventory.Resources() {
		if r.Foreign {
			continue
		}
		if r.Mixed {
			reasons = append(reasons, mixed(r))
			continue
		}
		if !r.Ruled {
			unknown = append(unknown, term.Printable(r.String()))
			continue
		}
		for _, c := range r.Groups() {
			switch {
			case c.Standing != encryptionconfig.Unjudged:
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

// mixed says why nothing is known of the rule for what is counted together.
func mixed(r *inventory.Resource) string {
	if r.Name == inventory.Other {
		return fmt.Sprintf("there are more resources than this program tells apart, and it does not know the rule for %s beyond them: %s", values(r.Values), r.Name)
	}
	return fmt.Sprintf("no API server builds such keys, so that no rule is known for %s: %s", values(r.Values), r.Name)
}

// foreign names the resources that the configuration is not for.
func foreign(in Input) (names []string) {
	for _, r := range in.Inventory.Resources() {
		if r.Foreign {
			names = append(names, term.Printable(r.String()))
		}
	}
	return names
}

// allForeign says so where the configuration is for nothing of what is stored: a
// check that looked at nothing passes nothing.
func allForeign(in Input) string {
	resources := in.Inventory.Resources()
	if slices.ContainsFunc(resources, func(r *inventory.Resource) bool { return !r.Foreign }) {
		return ""
	}
	return "everything here is of another API server than that of this file: " + strings.Join(foreign(in), ", ")
}

// evidence says what it rests on that encrypted values can be read: their keys
// prove more than their names.
func evidence(in Input) string {
	var opened, byName int64
	for _, r := range in.Inventory.Resources() {
		for _, c := range r.Groups() {
			switch {
			case c.Format.Plaintext() || c.Standing == encryptionconfig.Unjudged || c.Standing >= encryptionconfig.UnreadablePlaintext:
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
