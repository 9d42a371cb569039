package rules

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// tally counts the values of each resource that stand in one of some ways to
// the configuration.
type tally struct {
	values    int64    // that stand so
	resources []string // "secrets (3 of 5)"
	unknown   []string // resources whose rule is not known
}

func tallyStandings(in Input, wanted ...encryptionconfig.Standing) (t tally) {
	for _, r := range in.Inventory.Resources() {
		rule, ok := in.Config.For(r.Resource)
		if !ok || r.Name == inventory.Shapeless || r.Name == inventory.Other {
			t.unknown = append(t.unknown, Printable(r.String()))
			continue
		}
		var n int64
		for _, c := range r.Groups() {
			if c.Problem != storedvalue.NoProblem || c.Rest || c.Format == storedvalue.UnknownEncryption {
				continue // EA-102 and EA-103 are about these
			}
			for _, s := range wanted {
				if rule.Judge(c.Format, c.Name) == s {
					n += c.Values
				}
			}
		}
		if n > 0 {
			t.values += n
			t.resources = append(t.resources, fmt.Sprintf("%s (%d of %d)", Printable(r.String()), n, r.Values))
		}
	}
	return t
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
		if len(t.unknown) > 0 {
			return notEvaluated("the configuration's rule for these is not known, because their API group is not: " + strings.Join(t.unknown, ", "))
		}
		return pass(clean)
	}
}
