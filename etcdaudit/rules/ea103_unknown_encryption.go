package rules

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
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
			f := find(in, func(_ *inventory.Resource, c *inventory.Count) (string, bool) {
				return "", c.Format == storedvalue.UnknownEncryption
			})
			if f.values == 0 {
				return pass("every encrypted value is of a known provider")
			}
			return f.outcome(auditv1.Status_STATUS_WARN, fmt.Sprintf("%s with the prefix of encrypted data, but of a provider that is not known", values(f.values)))
		},
	}
}
