package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestUnreadable(t *testing.T) {
	stored.Run(t, "EA-114",
		stored.Case{Name: "plaintext that the API server cannot read", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Fail, Count: 1, Says: "cannot read: secrets (1 of 1)"},
		stored.Case{Name: "plaintext that it can read", Values: stored.Values{"secrets/default/a": stored.Plaintext, "pods/default/a": stored.Plaintext}, Config: stored.Entry("secrets", stored.KMS("v2", "p"), stored.Identity), Status: check.Pass, Says: "every value"},
		stored.Case{Name: "names prove no keys", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", "")}, Config: stored.Entry("secrets", stored.Keys("aescbc", "k")), Status: check.Pass, Says: "by name: 1 encrypted value"},
		stored.Case{Name: "encrypted by a provider that is not there", Values: stored.Values{"secrets/default/a": stored.KMSv2("q", "k", 1)}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Fail, Count: 1, Says: "secrets (1 of 1)"},
		stored.Case{Name: "encrypted but not named at all", Values: stored.Values{"configmaps/default/a": stored.KMSv2("p", "k", 1)}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Fail, Count: 1, Says: "configmaps (1 of 1)"},
		stored.Case{Name: "encrypted by a provider that no configuration has", Values: stored.Values{"secrets/default/a": stored.Unknown}, Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.Fail, Count: 1, Says: "secrets (1 of 1)"},
		malformedIsNotJudged(),
	)
}
