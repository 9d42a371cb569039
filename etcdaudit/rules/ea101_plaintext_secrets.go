package rules

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func plaintextSecrets() Rule {
	return Rule{
		ID: "EA-101", Title: "Secrets are not stored as plaintext", Severity: auditv1.Severity_SEVERITY_HIGH,
		Remediation: "encrypt Secrets (EncryptionConfiguration), rewrite every one of them (kubectl get secrets -A -o json | kubectl replace -f -), then clear what remains in history and backups, and change the credentials that were readable",
		Rewrites:    true,
		Check: func(in Input) Outcome {
			if o, ok := empty(in); ok {
				return o
			}
			if o, ok := secretless(in); ok {
				return o
			}
			secrets := in.Inventory.Secrets()
			if secrets == nil {
				return notApplicable("there is no Secret under " + in.Inventory.Prefix + "/secrets/")
			}
			plain := find(in, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
				return "", r == secrets && c.Format.Plaintext()
			})
			if plain.values > 0 {
				return plain.outcome(auditv1.Status_STATUS_FAIL, fmt.Sprintf("%d of %s can be read by whoever reads etcd", plain.values, number(secrets.Values, "Secret")))
			}
			// Behind the prefix of encrypted data can stand anything.
			if unclear := secrets.Malformed + secrets.Unknown; unclear > 0 {
				return notEvaluated(fmt.Sprintf("%d of %s only claim to be encrypted, and whether they can be read is not known: see EA-102 and EA-103", unclear, number(secrets.Values, "Secret")))
			}
			return pass(fmt.Sprintf("none of %s is plaintext", number(secrets.Values, "Secret")))
		},
	}
}
