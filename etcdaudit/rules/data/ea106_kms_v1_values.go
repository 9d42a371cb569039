package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
)

func kmsV1Values() rule {
	todo := step{text: "put a provider with apiVersion v2 before the one of v1, rewrite the objects through the API server, and remove v1 when no value, no retained revision and no backup needs it", rewrites: true}
	return rule{
		ID: "EA-106", Title: "No value is encrypted by KMS v1", Severity: check.Low,
		Why:   "KMS v1 is deprecated, and off by default since Kubernetes 1.29: an API server after an upgrade may not read these values",
		Reads: "the prefix of every encrypted value",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			f := find(s, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				return term.Printable(c.Name), c.Format == storedvalue.KMSv1
			})
			if f.values == 0 {
				return check.Passed("", "no value is of a KMS v1 provider")
			}
			return f.finding(s, check.Warn, fmt.Sprintf("%s: %s. %s", values(f.values), strings.Join(f.per, ", "), encryptionconfig.KMSv1Drawbacks), todo)
		}),
	}
}
