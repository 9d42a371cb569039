package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestStaleProviders(t *testing.T) {
	stored.Run(t, "EA-112",
		stored.Case{Name: "an older provider", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", "")}, Config: stored.Entry("secrets", stored.KMS("v2", "p"), stored.Keys("aescbc", "k")), Status: check.Warn, Count: 1, Says: "secrets (1 of 1)"},
		stored.Case{Name: "an older key of the first provider", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "old", "")}, Config: stored.Entry("secrets", stored.Keys("aescbc", "new", "old")), Status: check.Warn, Count: 1, Says: "secrets (1 of 1)"},
		stored.Case{Name: "a key that was replaced under its old name", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", "")}, Config: stored.Entry("secrets", stored.Keys("aescbc", "k", "k")), Status: check.NotEvaluated, Says: "of a name that several keys"},
		stored.Case{Name: "the first key of the first provider", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "new", "")}, Config: stored.Entry("secrets", stored.Keys("aescbc", "new", "old")), Status: check.Pass, Says: "no encrypted value"},
		malformedIsNotJudged(),
	)
}
