package rules

import (
	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func staleProviders() Rule {
	return Rule{
		ID: "EA-112", Title: "Values are written by the first provider and its first key", Severity: auditv1.Severity_SEVERITY_LOW,
		Remediation: "rewrite the objects through the API server; keep the older provider in the configuration until then",
		Rewrites:    true,
		Check: standingCheck(auditv1.Status_STATUS_WARN,
			func(in Input) string {
				return "no encrypted value is of an older provider or key of the configuration" + evidence(in)
			},
			"encrypted by a provider or key that the configuration only reads with", encryptionconfig.StaleProvider, encryptionconfig.StaleKey),
	}
}
