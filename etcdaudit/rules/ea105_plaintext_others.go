package rules

import (
	"fmt"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func plaintextOthers() Rule {
	return Rule{
		ID: "EA-105", Title: "Plaintext of other resources", Severity: auditv1.Severity_SEVERITY_INFO,
		Remediation: "none by itself; give --encryption-provider-config to check what should be encrypted",
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			if in.Inventory.Config != nil {
				return notApplicable("the given EncryptionConfiguration decides: see EA-111")
			}
			var n int64
			resources := int64(0)
			for _, r := range in.Inventory.Resources() {
				if r == in.Inventory.Secrets() || r.Plaintext == 0 {
					continue
				}
				n += r.Plaintext
				resources++
			}
			if n == 0 {
				return pass("no other resource has plaintext values")
			}
			return Outcome{
				Status: auditv1.Status_STATUS_WARN, Count: n,
				Summary: fmt.Sprintf("%s of %s; Kubernetes encrypts only what an EncryptionConfiguration names", values(n), number(resources, "resource")),
			}
		},
	}
}
