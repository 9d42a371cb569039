package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
)

func malformedValues() rule {
	todo := step{text: "the API server cannot read these values, and a LIST of their resource fails: restore them in etcd from a backup or delete them there (etcdctl del; kubectl delete is refused, because it reads first), and find out what wrote or damaged them"}
	return rule{
		ID: "EA-102", Title: "Encrypted values are well-formed", Severity: check.Medium,
		Why:   "the API server cannot read such a value: a LIST of the resource fails on it, and the object can be neither changed nor deleted through the API",
		Reads: "the form of every encrypted value, byte by byte",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			f := find(s, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				return c.Problem.String(), c.Problem != storedvalue.NoProblem
			})
			switch {
			case f.values > 0:
				return f.finding(s, check.Fail, fmt.Sprintf("%s malformed, and cannot be what an API server wrote", values(f.values)), todo)
			case s.Inventory.Config != nil:
				return check.Passed("", "no encrypted value is damaged in its form; whether it can be decrypted: see EA-114")
			default:
				return check.Passed("", "no encrypted value is damaged in its form; whether it can be decrypted was not tried")
			}
		}),
	}
}
