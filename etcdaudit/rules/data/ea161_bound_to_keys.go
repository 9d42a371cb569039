package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// boundToKeys is about pkg/storage/value/encrypt/aes/aes.go and secretbox/secretbox.go of
// k8s.io/apiserver: cbc and secretbox take no authenticated data.
func boundToKeys() rule {
	todo := step{text: "let a kms v2 or aesgcm provider write, which bind each value to its etcd key, rewrite the objects through the API server, and keep write access to etcd as narrow as read access", rewrites: true}
	return rule{
		ID: "EA-161", Title: "Encrypted values are bound to their etcd keys", Severity: check.Low,
		Why:   "with aescbc and secretbox a value opens under every etcd key: who can write to etcd and not decrypt can put one Secret's value in the place of another that he may read, or an old one in the place of a new one, and the API server does not notice",
		Reads: "the provider of every encrypted value",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			var bound int64
			f := find(s, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				if c.Problem != storedvalue.NoProblem {
					return "", false
				}
				switch c.Format {
				case storedvalue.AESCBC, storedvalue.Secretbox:
					return c.Format.String() + " " + term.Printable(c.Name), true
				case storedvalue.AESGCM, storedvalue.KMSv1, storedvalue.KMSv2:
					bound += c.Values
				}
				return "", false
			})
			switch {
			case f.values > 0:
				return f.finding(s, check.Warn, fmt.Sprintf("%s of aescbc or secretbox can be moved to another etcd key unnoticed: %s", values(f.values), strings.Join(f.per, ", ")), todo)
			case bound == 0:
				return check.Inapplicable("no value is encrypted by a known provider")
			}
			return check.Passed("", fmt.Sprintf("all %s bound to their etcd keys", number(bound, "encrypted value")))
		}),
	}
}
