package rules

import (
	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func unreadable() Rule {
	return Rule{
		ID: "EA-114", Title: "The configuration can read every value", Severity: auditv1.Severity_SEVERITY_HIGH,
		Remediation: "an API server with this configuration cannot read these values: check that it is the file of this cluster, and of every API server of it; then, by what stands behind each: add identity as the last provider; add the provider or key of that name; where a key of that name is there, add the one that wrote the value under the same name as well, or restore a value that no key opens from a backup of etcd; where a wrong key seems to fit, the right one helps only if it stands before that one: put it there, and a key of another name before both, to write with, until these values are rewritten, or delete them in etcd (etcdctl del) and create them anew. Rewrite only after that",
		Check: standingCheck(auditv1.Status_STATUS_FAIL,
			func(in Input) string { return "this configuration can read every value" + evidence(in) },
			"this configuration cannot read", encryptionconfig.UnreadablePlaintext, encryptionconfig.UnreadableName,
			encryptionconfig.UnreadableKey, encryptionconfig.UnreadableMistaken),
	}
}
