package rules

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func malformedValues() Rule {
	return Rule{
		ID: "EA-102", Title: "Encrypted values are well-formed", Severity: auditv1.Severity_SEVERITY_MEDIUM,
		Remediation: "the API server cannot read these values, and a LIST of their resource fails: restore them in etcd from a backup or delete them there (etcdctl del; kubectl delete is refused, because it reads first), and find out what wrote or damaged them",
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			f := find(in, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				return c.Problem.String(), c.Problem != storedvalue.NoProblem
			})
			switch {
			case f.values > 0:
				return f.outcome(auditv1.Status_STATUS_FAIL, fmt.Sprintf("%s malformed, and cannot be what an API server wrote", values(f.values)))
			case in.Inventory.Config != nil:
				return pass("no encrypted value is damaged in its form; whether it can be decrypted: see EA-114")
			default:
				return pass("no encrypted value is damaged in its form; whether it can be decrypted was not tried")
			}
		},
	}
}
