package rules

import (
	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func encryptedUnconfigured() Rule {
	return Rule{
		ID: "EA-113", Title: "The configuration still encrypts what is encrypted", Severity: auditv1.Severity_SEVERITY_MEDIUM,
		Remediation: "identity stands first: every object that is written becomes plaintext; put the encrypting provider first, and keep identity behind it, unless decrypting is meant",
		Check: standingCheck(auditv1.Status_STATUS_WARN,
			func(Input) string { return "the configuration writes no plaintext over an encrypted value" },
			"encrypted, but the configuration writes plaintext", encryptionconfig.EncryptedUnconfigured),
	}
}
