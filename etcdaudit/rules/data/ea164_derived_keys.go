package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
)

// derivedKeys is about encryptedDEKSourceType (kmsv2/v2/api.proto of k8s.io/apiserver), and about
// aes/aes_extended_nonce.go, which derives a key for each write from a seed.
func derivedKeys() rule {
	todo := step{text: "rewrite the objects through API servers of Kubernetes 1.29 or later, which derive a key for each write", rewrites: true}
	return rule{
		ID: "EA-164", Title: "KMS v2 values have a derived key each", Severity: check.Low,
		Why:   "up to Kubernetes 1.28 one data key encrypted everything that an API server wrote between two starts or rotations: nonces are a counter in its memory, which a machine restored with its memory counts again, and who learns one such key reads all these values; since 1.29 a seed is stored, and each write has a key of its own",
		Reads: "the type of the DEK source of every KMS v2 value",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			var total, rest int64
			f := find(s, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				if c.Format != storedvalue.KMSv2 || c.Problem != storedvalue.NoProblem {
					return "", false
				}
				total += c.Values
				if c.Rest {
					rest += c.Values
				}
				return writtenWith(c), c.Unseeded
			})
			switch {
			case total == 0:
				return check.Inapplicable("no value is encrypted by a KMS v2 provider")
			case f.values > 0:
				return f.finding(s, check.Warn, fmt.Sprintf("%d of %s encrypted with the data key itself: %s", f.values, values(total), strings.Join(f.per, ", ")), todo)
			case rest > 0:
				return check.Unevaluated("", fmt.Sprintf("%d of %s are beyond what is told apart", rest, values(total)), "")
			}
			return check.Passed("", fmt.Sprintf("all %s encrypted with a key derived from a seed", values(total)))
		}),
	}
}
