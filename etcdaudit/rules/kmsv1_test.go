package rules_test

import (
	"strings"
	"testing"
)

const (
	kmsV1Provider = "{kms: {name: 'old:v1', endpoint: 'unix:///s'}}"
	oldProvider   = "{kms: {name: old, endpoint: 'unix:///t'}}"
)

func kmsV1(provider string) string {
	return "k8s:enc:kms:v1:" + provider + ":\x00\x04abcd" + strings.Repeat("x", 28)
}

func TestKMSv1IsAFinding(t *testing.T) {
	in := fromFiles(t, "/registry", "kmsv1/v1.yaml", "kmsv1/v1.store")
	for id, says := range map[string][]string{
		"EA-106": {"secrets (1 of 1)", "deprecated", "off by default since Kubernetes 1.29", "each value has a data key of its own"},
		"EA-402": {"secrets by vaultprovider", "deprecated", "off by default since Kubernetes 1.29"},
	} {
		c := check(t, in, id)
		if c.Status != warn || c.Remediation == "" {
			t.Errorf("%s: %v", id, c.Status)
		}
		for _, text := range says {
			if !strings.Contains(c.Summary, text) {
				t.Errorf("%s does not say %q: %s", id, text, c.Summary)
			}
		}
	}
	if c := check(t, in, "EA-401"); c.Status != pass {
		t.Errorf("EA-401: %v", c.Status)
	}
}

func TestKMSv1ThatOnlyReadsIsNoFindingOfTheConfiguration(t *testing.T) {
	in := compared(stored{"secrets/default/a": kmsV2("p", "k", 1), "configmaps/default/a": kmsV1("old:v1"), "namespaces/default": plain}, config(t, entry("secrets, configmaps", kmsProvider, kmsV1Provider)))
	if c := check(t, in, "EA-402"); c.Status != pass || !strings.Contains(c.Summary, "to read only") || !strings.Contains(c.Summary, "configmaps by old:v1, secrets by old:v1") {
		t.Errorf("%v: %s", c.Status, c.Summary)
	}
	if c := check(t, in, "EA-106"); c.Status != warn || c.Count != 1 || !strings.HasPrefix(c.Summary, "1 value: configmaps (1 of 1)") {
		t.Errorf("%v, %d: %s", c.Status, c.Count, c.Summary)
	}
}

// The name of a KMS provider is stored whole, colons included: one that only
// begins like a configured one is another.
func TestAKMSv1NameThatBeginsLikeAnotherIsAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		stored, provider string
		want             string
	}{
		"the same":                    {"old:v1", kmsV1Provider, "STATUS_PASS"},
		"the beginning of a name":     {"old", kmsV1Provider, "STATUS_FAIL"},
		"a name that goes on":         {"old:v1", oldProvider, "STATUS_FAIL"},
		"the same without any colons": {"old", oldProvider, "STATUS_PASS"},
	} {
		in := compared(stored{"secrets/default/a": kmsV1(tt.stored)}, config(t, entry("secrets", tt.provider)))
		if c := check(t, in, "EA-114"); c.Status.String() != tt.want {
			t.Errorf("%s: %v: %s%s", name, c.Status, c.Summary, c.Reason)
		}
	}
}
