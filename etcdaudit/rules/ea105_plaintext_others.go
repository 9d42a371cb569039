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
			// What a configuration is for is judged by it, see EA-111.
			compared := in.Inventory.Config != nil
			if compared && len(foreign(in)) == 0 {
				return notApplicable("the given EncryptionConfiguration decides: see EA-111")
			}
			var n, resources int64
			for _, r := range in.Inventory.Resources() {
				if r == in.Inventory.Secrets() || r.Plaintext == 0 || compared && !r.Foreign {
					continue
				}
				n += r.Plaintext
				resources++
			}
			switch {
			case n == 0 && compared:
				return pass("no resource of another API server than that of the given file has plaintext values")
			case n == 0:
				return pass("no other resource has plaintext values")
			case compared:
				return Outcome{Status: auditv1.Status_STATUS_WARN, Count: n,
					Summary: fmt.Sprintf("%s of %s, which are another API server's than that of the given file: compare with its file too", values(n), number(resources, "resource"))}
			}
			return Outcome{
				Status: auditv1.Status_STATUS_WARN, Count: n,
				Summary: fmt.Sprintf("%s of %s; Kubernetes encrypts only what an EncryptionConfiguration names", values(n), number(resources, "resource")),
			}
		},
	}
}
