package rules

import (
	"fmt"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func malformedValues() Rule {
	return Rule{
		ID: "EA-102", Title: "Encrypted values are well-formed", Severity: auditv1.Severity_SEVERITY_MEDIUM,
		Remediation: "the API server cannot read these values, and a LIST of their resource fails: restore them from a backup or delete them, and find out what wrote or damaged them",
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			n := in.Inventory.Totals().Malformed
			if n == 0 {
				return pass("no encrypted value is damaged in its form; whether it can be decrypted was not tried")
			}
			named := objects(in.Inventory.Malformed)
			for i, o := range in.Inventory.Malformed {
				named[i].Detail = o.Problem.String()
			}
			return Outcome{
				Status: auditv1.Status_STATUS_FAIL, Count: n, Objects: named,
				Summary: fmt.Sprintf("%s malformed, and cannot be what an API server wrote", values(n)),
			}
		},
	}
}
