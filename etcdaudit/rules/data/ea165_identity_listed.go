package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func identityListed() rule {
	const todo = "remove identity from these entries on every API server, when no API server writes plaintext any more; a backup from before the encryption can only be read with it, so keep the old file for that"
	return rule{
		ID: "EA-165", Title: "identity is listed only while plaintext is left", Severity: check.Low,
		Why:   "as long as identity is anywhere in the list, the API server takes plaintext from etcd for genuine: who can write to etcd can put Secrets of his own there without any key, and values that were never encrypted again are not noticed",
		Reads: "the providers of each entry of the EncryptionConfiguration, beside what is stored of its resources",
		Needs: needs{need.Comparison, need.Keys},
		Run: one(func(s facts.Store) check.Result {
			values, plaintext := map[string]int64{}, map[string]int64{}
			for _, r := range s.Inventory.Resources() {
				if r.Ruled && !r.Foreign {
					values[r.Rule.Entry] += r.Values
					plaintext[r.Rule.Entry] += r.Plaintext
				}
			}
			var spare, needed []string
			var n int64
			for _, rule := range s.Inventory.Config.Rules() {
				entry := term.Printable(rule.Entry)
				switch {
				case !rule.Encrypts() || !rule.ReadsPlaintext(): // identity first is for EA-401 and EA-423
				case plaintext[rule.Entry] > 0:
					needed = append(needed, fmt.Sprintf("%s (%d plaintext)", entry, plaintext[rule.Entry]))
				default:
					spare = append(spare, fmt.Sprintf("%s (%s)", entry, number(values[rule.Entry], "encrypted value")))
					n += values[rule.Entry]
				}
			}
			switch {
			case len(spare) > 0:
				r := check.Warned("", "identity is listed behind other providers, and nothing is plaintext any more: "+strings.Join(spare, ", "), todo)
				r.Count = n
				return r
			case len(needed) > 0:
				return check.Passed("", "identity is needed while there is plaintext to be read and rewritten (EA-111): "+strings.Join(needed, ", "))
			}
			return check.Passed("", "no entry that encrypts lists identity")
		}),
	}
}
