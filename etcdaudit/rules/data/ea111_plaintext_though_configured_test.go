package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestPlaintextThoughConfigured(t *testing.T) {
	stored.Run(t, "EA-111",
		stored.Case{Name: "without a configuration there is nothing to compare with", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Status: check.NotApplicable, Says: "no --encryption-provider-config"},
		stored.Case{Name: "plaintext although configured", Values: stored.Values{"secrets/default/a": stored.Plaintext, "configmaps/default/a": stored.Plaintext}, Config: stored.Entry("secrets, configmaps", stored.KMS("v2", "p"), stored.Identity), Status: check.Fail, Count: 2, Says: "configmaps (1 of 1), secrets (1 of 1)"},
		stored.Case{Name: "plaintext by a wildcard", Values: stored.Values{"deployments/default/a": stored.Plaintext}, Config: stored.Entry(`"*.apps"`, stored.KMS("v2", "p")), Status: check.Fail, Count: 1, Says: "deployments.apps (1 of 1)"},
		stored.Case{Name: "plaintext of what is not configured is right", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1), "pods/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Pass, Says: "is encrypted"},
		stored.Case{Name: "a resource of an unknown group is not guessed", Values: stored.Values{"gizmos/default/a": stored.Plaintext}, Config: stored.Entry("gizmos.example.com", stored.KMS("v2", "p")), Status: check.NotEvaluated, Says: "gizmos"},
		malformedIsNotJudged(),
	)
}
