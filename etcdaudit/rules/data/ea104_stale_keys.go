package data

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func staleKeys() rule {
	todo := step{text: "rewrite the objects through the API server; keep the older keys until no value, no retained revision and no backup needs them", rewrites: true}
	return rule{
		ID: "EA-104", Title: "KMS v2 values are written with the newest key", Severity: check.Low,
		Why:   "after a rotation these values still depend on the old key, which cannot be withdrawn before they are rewritten",
		Reads: "the key_id of every KMS v2 value, beside the newest in the store or the one that was given",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			refs := s.References()
			var total, rest int64
			stale := find(s, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
				if r.Foreign || c.Format != storedvalue.KMSv2 || c.Problem != storedvalue.NoProblem {
					return "", false
				}
				total += c.Values
				if c.Rest {
					rest += c.Values
				}
				return writtenWith(c), c.Stale(refs[c.Name])
			})
			against := describe(refs, s.CurrentKeyID != "")
			switch {
			case total == 0:
				return check.Inapplicable("no value is encrypted by a KMS v2 provider")
			case stale.values == 0 && rest > 0:
				return check.Unevaluated("", fmt.Sprintf("the keys of %d of %s are too many to be told apart", rest, values(total)), "")
			case stale.values == 0:
				return check.Passed("", fmt.Sprintf("all %s: %s", values(total), against))
			}
			return stale.finding(s, check.Warn, fmt.Sprintf("%d of %s written with another key or version; %s", stale.values, values(total), against), todo)
		}),
	}
}

// writtenWith is the key of a KMS v2 value, as it shows it.
func writtenWith(c *inventory.Count) string {
	key := "key_id " + term.Printable(c.KeyID)
	if c.VaultVersion > 0 {
		key += fmt.Sprintf(" (Vault key version %d)", c.VaultVersion)
	}
	return key
}

func describe(refs map[string]inventory.Reference, named bool) string {
	if named {
		for _, ref := range refs {
			return fmt.Sprintf("compared with key_id %s, as given", term.Printable(ref.KeyID))
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		part := fmt.Sprintf("provider %s: key_id %s", term.Printable(name), term.Printable(refs[name].KeyID))
		if v := refs[name].VaultVersion; v > 0 {
			part += fmt.Sprintf(" (Vault key version %d)", v)
		}
		if last := refs[name].WrittenLast; last != "" {
			part += fmt.Sprintf(", although key_id %s was written last: if that is the current key, name it with --current-key-id", term.Printable(last))
		}
		parts = append(parts, part)
	}
	return "compared with the newest key in the store itself: " + strings.Join(parts, ", ")
}
