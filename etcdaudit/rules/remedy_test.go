package rules_test

import (
	"strings"
	"testing"
)

// What a LIST fails on comes before the rewriting.
func TestWhatBlocksARewritingIsNamedFirst(t *testing.T) {
	in := input(stored{"secrets/default/a": plain, "secrets/default/b": unknown})
	if c := check(t, in, "EA-101"); !strings.HasPrefix(c.Remediation, "repair the values of secrets that cannot be read (EA-102, EA-103, EA-114)") {
		t.Errorf("%s", c.Remediation)
	}
}

func TestWithoutAnyDefinitionACustomResourceIsLeftOverOrElsewhere(t *testing.T) {
	const remove, elsewhere = "delete the keys of widgets.example.com from etcd", "the definitions are in another etcd (--etcd-servers-overrides)"
	encryption := config(t, entry("widgets.example.com", kmsProvider, "{identity: {}}"))
	values := stored{"example.com/widgets/default/a": plain}
	if c := check(t, compared(values, encryption), "EA-111"); strings.Contains(c.Remediation, remove) {
		t.Errorf("in an etcd of its own: %s", c.Remediation)
	}
	values["namespaces/default"] = plain
	if c := check(t, compared(values, encryption), "EA-111"); !strings.Contains(c.Remediation, remove) || !strings.Contains(c.Remediation, elsewhere) {
		t.Errorf("beside Namespaces: %s", c.Remediation)
	}
	values["apiextensions.k8s.io/customresourcedefinitions/gadgets.example.com"] = plain
	if c := check(t, compared(values, encryption), "EA-111"); !strings.Contains(c.Remediation, remove) || strings.Contains(c.Remediation, elsewhere) {
		t.Errorf("beside another definition: %s", c.Remediation)
	}
}
