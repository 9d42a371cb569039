package rules

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func secretsConfigured() Rule {
	return Rule{
		ID: "EA-401", Title: "The configuration encrypts Secrets", Severity: auditv1.Severity_SEVERITY_HIGH,
		Remediation: "name secrets in the EncryptionConfiguration and put an encrypting provider before identity",
		Check: func(in Input) Outcome {
			if in.Inventory.Config == nil {
				return notApplicable("no --encryption-provider-config was given")
			}
			if o, ok := secretless(in); ok {
				return o
			}
			rule, _ := in.Inventory.Config.For(storedvalue.ResourceOf("secrets"))
			switch {
			case rule.Encrypts():
				return pass(fmt.Sprintf("new Secrets are written by %s (entry %s)", term.Printable(rule.Providers[0].String()), term.Printable(rule.Entry)))
			case rule.Entry == "":
				return Outcome{Status: auditv1.Status_STATUS_FAIL, Summary: "no entry names Secrets: new ones are written as plaintext"}
			default:
				return Outcome{Status: auditv1.Status_STATUS_FAIL, Summary: fmt.Sprintf("identity stands first (entry %s): new Secrets are written as plaintext", term.Printable(rule.Entry))}
			}
		},
	}
}
