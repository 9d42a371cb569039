package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

// unseeded is a value as an API server up to 1.28 writes it: proto3 leaves out a type that is 0.
func unseeded(provider, keyID string) string {
	return strings.TrimSuffix(stored.KMSv2(provider, keyID, 1), "\x28\x01")
}

func TestDerivedKeys(t *testing.T) {
	stored.Run(t, "EA-164",
		stored.Case{Name: "a data key itself", Values: stored.Values{"secrets/default/a": unseeded("p", "k"), "secrets/default/b": stored.KMSv2("p", "k", 1)}, Status: check.Warn, Count: 1, Says: "1 of 2 values encrypted with the data key itself: secrets (1 of 2)"},
		stored.Case{Name: "seeds", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)}, Status: check.Pass, Says: "all 1 value"},
		stored.Case{Name: "what is malformed has no type", Values: stored.Values{"secrets/default/a": stored.Malformed}, Status: check.NotApplicable, Says: "KMS v2"},
		stored.Case{Name: "KMS v1 is another matter", Values: stored.Values{"secrets/default/a": stored.KMSv1("p")}, Status: check.NotApplicable, Says: "KMS v2"},
	)
}

// Neighbours that differ in nothing else must not be counted together.
func TestValuesWithoutADerivedKeyAreNamed(t *testing.T) {
	f := stored.Facts(nil,
		stored.Record("secrets/default/a", unseeded("p", "k"), 1), stored.Record("secrets/default/b", unseeded("p", "k"), 2),
		stored.Record("secrets/default/c", stored.KMSv2("p", "k", 1), 3), stored.Record("secrets/default/d", stored.KMSv2("p", "k", 1), 4),
		stored.Record("secrets/default/e", unseeded("p", "k"), 5))
	var names string
	r := stored.Result(t, f, "EA-164")
	for _, o := range r.Objects {
		names += o.Name
	}
	if names != "abe" || r.Count != 3 {
		t.Errorf("%s, %d", names, r.Count)
	}
}
