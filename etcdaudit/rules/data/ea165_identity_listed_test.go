package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestIdentityListed(t *testing.T) {
	both := stored.Entry("secrets, configmaps", stored.KMS("v2", "p"), stored.Identity)
	stored.Run(t, "EA-165",
		stored.Case{Name: "nothing needs it any more", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1), "configmaps/default/a": stored.KMSv2("p", "k", 1)}, Config: both, Status: check.Warn, Count: 2, Says: "configmaps (1 encrypted value), secrets (1 encrypted value)"},
		stored.Case{Name: "one of two entries needs it", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1), "configmaps/default/a": stored.Plaintext}, Config: both, Status: check.Warn, Count: 1, Says: "any more: secrets (1 encrypted value)"},
		stored.Case{Name: "plaintext of any resource of a wildcard needs it", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1), "pods/default/a": stored.Plaintext}, Config: stored.Entry(`"*.*"`, stored.KMS("v2", "p"), stored.Identity), Status: check.Pass, Says: "*.* (1 plaintext)"},
		stored.Case{Name: "identity first is another matter", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.Identity, stored.KMS("v2", "p")), Status: check.Pass, Says: "no entry"},
		stored.Case{Name: "it is not listed", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Pass, Says: "no entry"},
		stored.Case{Name: "there is no configuration", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Status: check.NotApplicable, Says: "no --encryption-provider-config"},
		stored.Case{Name: "what was read is not exact", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p"), stored.Identity), Inexact: "it was cut off", Status: check.NotEvaluated, Says: "not exact"},
	)
}
