package config

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
)

func kmsV1Configured() check.Rule[facts.Facts] {
	const todo = "put a provider with apiVersion v2 before the one of v1; until v1 is removed every API server from 1.29 on needs --feature-gates=KMSv1=true, also to read; EA-106 says what to rewrite"
	return check.Rule[facts.Facts]{
		ID: "EA-402", Title: "The configuration does not write with KMS v1", Severity: check.Medium,
		Why:   "KMS v1 is deprecated, off by default since Kubernetes 1.29, and asks the plugin for each value",
		Reads: "the providers of every entry in the given EncryptionConfiguration",
		Needs: []check.Need[facts.Facts]{need.Encryption},
		Run: ofFile(func(c *encryptionconfig.Config) check.Result {
			var writes, reads []string
			for _, rule := range c.Rules() {
				for i, p := range rule.Providers {
					if p.Kind != encryptionconfig.KMSv1 {
						continue
					}
					named := fmt.Sprintf("%s by %s", term.Printable(rule.Entry), term.Printable(p.Name()))
					if i == 0 {
						writes = append(writes, named)
					} else {
						reads = append(reads, named)
					}
				}
			}
			switch {
			case len(writes) > 0:
				return check.Warned("", fmt.Sprintf("%s. %s", strings.Join(writes, ", "), encryptionconfig.KMSv1Drawbacks), todo)
			case len(reads) > 0:
				return check.Passed("", "KMS v1 is there to read only, for which an API server from 1.29 on needs its feature gate: "+strings.Join(reads, ", "))
			}
			return check.Passed("", "no entry has a KMS v1 provider")
		}),
	}
}
