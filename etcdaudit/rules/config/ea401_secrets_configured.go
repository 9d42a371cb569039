package config

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
)

func secretsConfigured() check.Rule[facts.Facts] {
	const todo = "name secrets in the EncryptionConfiguration and put an encrypting provider before identity"
	return check.Rule[facts.Facts]{
		ID: "EA-401", Title: "The configuration encrypts Secrets", Severity: check.High,
		Why:   "new Secrets are stored as plaintext",
		Reads: "the providers of Secrets in the given EncryptionConfiguration, with the API server's own rules",
		Needs: []check.Need[facts.Facts]{need.Encryption, need.SecretsAnywhere},
		Run: ofFile(func(c *encryptionconfig.Config) check.Result {
			rule, _ := c.For(apiresource.Of("secrets"))
			switch {
			case rule.Encrypts():
				return check.Passed("", fmt.Sprintf("new Secrets are written by %s (entry %s)", term.Printable(rule.Providers[0].String()), term.Printable(rule.Entry)))
			case rule.Entry == "":
				return check.Failed("", "no entry names Secrets: new ones are written as plaintext", todo)
			default:
				return check.Failed("", fmt.Sprintf("identity stands first (entry %s): new Secrets are written as plaintext", term.Printable(rule.Entry)), todo)
			}
		}),
	}
}
