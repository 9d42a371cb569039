package rules_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestKMSv1IsAFinding(t *testing.T) {
	in := fromFiles(t, "/registry", "kmsv1/v1.yaml", "kmsv1/v1.store")
	for id, says := range map[string][]string{
		"EA-106": {"secrets (1 of 1)", "deprecated", "off by default since Kubernetes 1.29", "each value has a data key of its own"},
		"EA-402": {"secrets by vaultprovider", "deprecated", "off by default since Kubernetes 1.29"},
	} {
		c := stored.Result(t, in, id)
		if c.Status != check.Warn || c.Remedy == "" {
			t.Errorf("%s: %v", id, c.Status)
		}
		for _, text := range says {
			if !strings.Contains(c.Summary, text) {
				t.Errorf("%s does not say %q: %s", id, text, c.Summary)
			}
		}
	}
	if c := stored.Result(t, in, "EA-401"); c.Status != check.Pass {
		t.Errorf("EA-401: %v", c.Status)
	}
}

func TestKMSv1ThatOnlyReadsIsNoFindingOfTheConfiguration(t *testing.T) {
	in := stored.Facts(stored.Config(t, stored.Entry("secrets, configmaps", stored.KMS("v2", "p"), stored.KMS("v1", "old:v1"))),
		stored.Records(stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1), "configmaps/default/a": stored.KMSv1("old:v1"), "namespaces/default": stored.Plaintext})...)
	if c := stored.Result(t, in, "EA-402"); c.Status != check.Pass || !strings.Contains(c.Summary, "to read only") || !strings.Contains(c.Summary, "configmaps by old:v1, secrets by old:v1") {
		t.Errorf("%v: %s", c.Status, c.Summary)
	}
	if c := stored.Result(t, in, "EA-106"); c.Status != check.Warn || c.Count != 1 || !strings.HasPrefix(c.Summary, "1 value: configmaps (1 of 1)") {
		t.Errorf("%v, %d: %s", c.Status, c.Count, c.Summary)
	}
}

// The name of a KMS provider is stored whole, colons included: one that only
// begins like a configured one is another.
func TestAKMSv1NameThatBeginsLikeAnotherIsAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		stored, provider string
		want             check.Status
	}{
		"the same":                    {"old:v1", stored.KMS("v1", "old:v1"), check.Pass},
		"the beginning of a name":     {"old", stored.KMS("v1", "old:v1"), check.Fail},
		"a name that goes on":         {"old:v1", stored.KMS("v1", "old"), check.Fail},
		"the same without any colons": {"old", stored.KMS("v1", "old"), check.Pass},
	} {
		in := stored.Facts(stored.Config(t, stored.Entry("secrets", tt.provider)), stored.Record("secrets/default/a", stored.KMSv1(tt.stored), 1))
		if c := stored.Result(t, in, "EA-114"); c.Status != tt.want {
			t.Errorf("%s: %v: %s%s", name, c.Status, c.Summary, c.Reason)
		}
	}
}
