package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestSecretsConfigured(t *testing.T) {
	stored.Run(t, "EA-401",
		stored.Case{Name: "Secrets are configured", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Pass, Says: "kms v2 p (entry secrets)"},
		stored.Case{Name: "Secrets are not configured", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("configmaps", stored.KMS("v2", "p")), Status: check.Fail, Says: "no entry names Secrets"},
		stored.Case{Name: "identity stands first", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry(`"*."`, stored.Identity, stored.KMS("v2", "p")), Status: check.Fail, Says: "identity stands first (entry *.)"},
		stored.Case{Name: "without a configuration nothing is configured", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Status: check.NotApplicable, Says: "no --encryption-provider-config"},
	)
}
