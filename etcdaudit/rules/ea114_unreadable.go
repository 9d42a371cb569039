package rules

import (
	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func unreadable() Rule {
	return Rule{
		ID: "EA-114", Title: "The configuration can read every encrypted value", Severity: auditv1.Severity_SEVERITY_HIGH,
		Remediation: "an API server with this configuration cannot read these values: add the provider or key that wrote them, or check that it is the file of this cluster",
		Check: standingCheck(auditv1.Status_STATUS_FAIL,
			"every encrypted value names a provider and key of the configuration",
			"encrypted by a provider or key that the configuration does not have", encryptionconfig.Unreadable),
	}
}
