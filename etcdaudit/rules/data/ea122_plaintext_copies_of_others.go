package data

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func plaintextCopiesOfOthers() rule {
	return rule{
		ID: "EA-122", Title: "Nothing else that the configuration encrypts is left behind as plaintext", Severity: check.Medium,
		Why:   "the configuration says that these resources have to be encrypted as Secrets are, and older copies of them are not",
		Reads: "the layer, as EA-121, for the resources that the EncryptionConfiguration encrypts beside Secrets",
		Needs: needs{need.Comparison},
		Run: one(func(s facts.Store) check.Result {
			plain := find(s, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
				return "", r != s.Inventory.Secrets() && (c.Drift == drift.Plaintext || c.Drift == drift.UnreadablePlaintext)
			})
			if plain.values > 0 {
				return left(s, plain, "readable there: "+strings.Join(plain.per, ", "))
			}
			return nothingLeft(s, "nothing else that the configuration encrypts is there as plaintext")
		}),
	}
}
