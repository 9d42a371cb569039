package rules

import (
	"fmt"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func unknownEncryption() Rule {
	return Rule{
		ID: "EA-103", Title: "Encrypted values are of a known provider", Severity: auditv1.Severity_SEVERITY_MEDIUM,
		Remediation: "use a newer etcdaudit if the API server is newer; otherwise find out what wrote these values: nothing is known about their protection",
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			n := in.Inventory.Totals().Unknown
			if n == 0 {
				return pass("every encrypted value is of a known provider")
			}
			return Outcome{
				Status: auditv1.Status_STATUS_WARN, Count: n, Objects: objects(in.Inventory.Unknown),
				Summary: fmt.Sprintf("%s with the prefix of encrypted data, but of a provider that is not known", values(n)),
			}
		},
	}
}
