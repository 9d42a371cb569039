package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestKMSV1Configured(t *testing.T) {
	stored.Run(t, "EA-402",
		stored.Case{Name: "a configuration of KMS v1", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v1", "old:v1")), Status: check.Warn, Says: "secrets by old:v1"},
		stored.Case{Name: "a configuration of KMS v2", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Pass, Says: "no entry"},
		stored.Case{Name: "without a configuration there is no KMS v1 in it", Values: stored.Values{"secrets/default/a": stored.KMSv1("p")}, Status: check.NotApplicable, Says: "no --encryption-provider-config"},
	)
}
