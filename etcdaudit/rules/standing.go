package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/printable"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// tally counts the values of each resource that stand in one of some ways to
// the configuration.
type tally struct {
	values    int64    // that stand so
	resources []string // "secrets (3 of 5)"
	unknown   []string // resources whose rule is not known
	unclear   int64    // values that may stand so, or not
	foreign   []string // resources that the configuration is not for
}

func tallyStandings(in Input, wanted ...encryptionconfig.Standing) (t tally) {
	for _, r := range in.Inventory.Resources() {
		if Foreign(in, r) {
			t.foreign = append(t.foreign, printable.Text(r.String()))
			continue
		}
		rule, ok := in.Config.For(r.Resource)
		if !ok || r.Name == inventory.Shapeless || r.Name == inventory.Other {
			t.unknown = append(t.unknown, printable.Text(r.String()))
			continue
		}
		var n int64
		for _, c := range r.Groups() {
			switch stands, known := standsIn(rule, c.Group, wanted); {
			case !known:
				t.unclear += c.Values
			case stands:
				n += c.Values
			}
		}
		if n > 0 {
			t.values += n
			t.resources = append(t.resources, fmt.Sprintf("%s (%d of %d)", printable.Text(r.String()), n, r.Values))
		}
	}
	return t
}

// standsIn reports whether values of a group stand in one of the wanted ways,
// and whether what they show is enough to tell.
func standsIn(rule encryptionconfig.Rule, g inventory.Group, wanted []encryptionconfig.Standing) (stands, known bool) {
	if g.Problem != storedvalue.NoProblem || g.Rest {
		return false, false
	}
	possible := rule.Judge(g.Format, g.Name)
	is := func(s encryptionconfig.Standing) bool { return slices.Contains(wanted, s) }
	isNot := func(s encryptionconfig.Standing) bool { return !is(s) }
	stands = !slices.ContainsFunc(possible, isNot)
	return stands, stands || !slices.ContainsFunc(possible, is)
}

// open says why values or resources were left out, if any were.
func (t tally) open() string {
	var reasons []string
	if len(t.unknown) > 0 {
		reasons = append(reasons, "the configuration's rule for these is not known, because their API group is not: "+strings.Join(t.unknown, ", "))
	}
	if t.unclear > 0 {
		reasons = append(reasons, values(t.unclear)+" malformed (see EA-102), of too many keys, or of a key whose name the configuration has more than once")
	}
	return strings.Join(reasons, "; ")
}

// standingCheck is the common part of the rules that compare the store with the
// EncryptionConfiguration.
func standingCheck(status auditv1.Status, clean, found string, wanted ...encryptionconfig.Standing) func(Input) Outcome {
	return func(in Input) Outcome {
		if in.Config == nil {
			return notApplicable("no --encryption-provider-config was given")
		}
		if o, ok := empty(in); ok {
			return o
		}
		t := tallyStandings(in, wanted...)
		if t.values > 0 {
			return Outcome{Status: status, Count: t.values, Summary: found + ": " + strings.Join(t.resources, ", ")}
		}
		if reason := t.open(); reason != "" {
			return notEvaluated(reason)
		}
		if len(t.foreign) > 0 {
			clean += "; not judged, because this is the file of another API server: " + strings.Join(t.foreign, ", ")
		}
		return pass(clean)
	}
}
