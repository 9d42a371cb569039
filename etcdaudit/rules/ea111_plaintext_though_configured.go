package rules

import (
	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func plaintextThoughConfigured() Rule {
	return Rule{
		ID: "EA-111", Title: "What the configuration encrypts is not stored as plaintext", Severity: auditv1.Severity_SEVERITY_HIGH,
		Remediation: "rewrite the objects through the API server; a configuration only changes what is written after it",
		Rewrites:    true,
		Check: standingCheck(auditv1.Status_STATUS_FAIL,
			func(Input) string { return "every value that the configuration encrypts is encrypted" },
			"plaintext although the configuration encrypts it", encryptionconfig.Plaintext, encryptionconfig.UnreadablePlaintext),
	}
}
