package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestPlaintextOthers(t *testing.T) {
	stored.Run(t, "EA-105",
		stored.Case{Name: "plaintext of other resources is information", Values: stored.Values{"secrets/default/a": stored.Plaintext, "configmaps/default/a": stored.Plaintext, "pods/default/a": stored.Plaintext, "pods/default/b": stored.Plaintext}, Status: check.Warn, Count: 3, Says: "3 values of 2 resources"},
		stored.Case{Name: "Secrets are not other resources", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Status: check.Pass, Says: "no other resource"},
		stored.Case{Name: "a configuration decides instead", Values: stored.Values{"pods/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.NotApplicable, Says: "EA-111"},
	)
}
