package rules

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func kmsV1Configured() Rule {
	return Rule{
		ID: "EA-402", Title: "The configuration does not write with KMS v1", Severity: auditv1.Severity_SEVERITY_MEDIUM,
		Remediation: "put a provider with apiVersion v2 before the one of v1; until v1 is removed every API server from 1.29 on needs --feature-gates=KMSv1=true, also to read; EA-106 says what to rewrite",
		Check: func(in Input) Outcome {
			if in.Inventory.Config == nil {
				return notApplicable("no --encryption-provider-config was given")
			}
			var writes, reads []string
			for _, rule := range in.Inventory.Config.Rules() {
				for i, p := range rule.Providers {
					if p.Format != storedvalue.KMSv1 {
						continue
					}
					named := fmt.Sprintf("%s by %s", term.Printable(rule.Entry), term.Printable(p.Names[0]))
					if i == 0 {
						writes = append(writes, named)
					} else {
						reads = append(reads, named)
					}
				}
			}
			switch {
			case len(writes) > 0:
				return Outcome{Status: auditv1.Status_STATUS_WARN, Summary: fmt.Sprintf("%s. %s", strings.Join(writes, ", "), kmsV1Facts)}
			case len(reads) > 0:
				return pass("KMS v1 is there to read only, for which an API server from 1.29 on needs its feature gate: " + strings.Join(reads, ", "))
			}
			return pass("no entry has a KMS v1 provider")
		},
	}
}
