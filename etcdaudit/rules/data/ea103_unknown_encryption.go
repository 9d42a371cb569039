package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
)

func unknownEncryption() rule {
	todo := step{text: "use a newer etcdaudit if the API server is newer; otherwise find out what wrote these values: nothing is known about their protection"}
	return rule{
		ID: "EA-103", Title: "Encrypted values are of a known provider", Severity: check.Medium,
		Why:   "no API server reads such a value; it is lost, or was written by a program that is not known here",
		Reads: "the prefix of every encrypted value",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			f := find(s, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				return "", c.Format == storedvalue.UnknownEncryption
			})
			if f.values == 0 {
				return check.Passed("", "every encrypted value is of a known provider")
			}
			return f.finding(s, check.Warn, fmt.Sprintf("%s with the prefix of encrypted data, but of a provider that is not known", values(f.values)), todo)
		}),
	}
}
