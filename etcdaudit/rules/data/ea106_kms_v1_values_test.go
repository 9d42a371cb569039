package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestKMSV1Values(t *testing.T) {
	stored.Run(t, "EA-106",
		stored.Case{Name: "values of KMS v1 are a warning", Values: stored.Values{"secrets/default/a": stored.KMSv1("p"), "secrets/default/b": stored.KMSv2("p", "k", 1)}, Status: check.Warn, Count: 1, Says: "secrets (1 of 2)"},
		stored.Case{Name: "values of KMS v2 pass", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Status: check.Pass, Says: "no value"},
	)
}
