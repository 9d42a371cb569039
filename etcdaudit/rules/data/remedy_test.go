package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/stored"
)

// What a LIST fails on comes before the rewriting.
func TestWhatBlocksARewritingIsNamedFirst(t *testing.T) {
	in := stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": stored.Plaintext, "secrets/default/b": stored.Unknown})...)
	if c := stored.Result(t, in, "EA-101"); !strings.HasPrefix(c.Remedy, "repair the values of secrets that cannot be read (EA-102, EA-103, EA-114)") {
		t.Errorf("%s", c.Remedy)
	}
}

func TestWithoutAnyDefinitionACustomResourceIsLeftOverOrElsewhere(t *testing.T) {
	const remove, elsewhere = "delete the keys of widgets.example.com from etcd", "the definitions are in another etcd (--etcd-servers-overrides)"
	encryption := stored.Config(t, stored.Entry("widgets.example.com", stored.KMS("v2", "p"), stored.Identity))
	values := stored.Values{"example.com/widgets/default/a": stored.Plaintext}
	if c := stored.Result(t, stored.Facts(encryption, stored.Records(values)...), "EA-111"); strings.Contains(c.Remedy, remove) {
		t.Errorf("in an etcd of its own: %s", c.Remedy)
	}
	values["namespaces/default"] = stored.Plaintext
	if c := stored.Result(t, stored.Facts(encryption, stored.Records(values)...), "EA-111"); !strings.Contains(c.Remedy, remove) || !strings.Contains(c.Remedy, elsewhere) {
		t.Errorf("beside Namespaces: %s", c.Remedy)
	}
	values["apiextensions.k8s.io/customresourcedefinitions/gadgets.example.com"] = stored.Plaintext
	if c := stored.Result(t, stored.Facts(encryption, stored.Records(values)...), "EA-111"); !strings.Contains(c.Remedy, remove) || strings.Contains(c.Remedy, elsewhere) {
		t.Errorf("beside another definition: %s", c.Remedy)
	}
}
