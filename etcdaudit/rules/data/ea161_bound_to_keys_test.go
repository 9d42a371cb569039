package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestBoundToKeys(t *testing.T) {
	stored.Run(t, "EA-161",
		stored.Case{Name: "aescbc and secretbox bind nothing", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", ""), "configmaps/default/b": stored.Keyed("secretbox", "k", ""), "secrets/default/c": stored.KMSv2("p", "k", 1)}, Status: check.Warn, Count: 2, Says: "configmaps (1 of 1), secrets (1 of 2)"},
		stored.Case{Name: "aesgcm and kms bind", Values: stored.Values{"secrets/default/a": stored.Keyed("aesgcm", "k", ""), "secrets/default/b": stored.KMSv2("p", "k", 1)}, Status: check.Pass, Says: "all 2 encrypted values"},
		stored.Case{Name: "what is malformed is of no provider", Values: stored.Values{"secrets/default/a": "k8s:enc:aescbc:v1:k:short"}, Status: check.NotApplicable, Says: "no value is encrypted"},
		stored.Case{Name: "plaintext is another matter", Values: stored.Values{"secrets/default/a": stored.Plaintext}, Status: check.NotApplicable, Says: "no value is encrypted"},
	)
}
