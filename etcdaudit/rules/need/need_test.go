package need_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

// OpenShift's other API servers have no Secrets; a wrong prefix shows none either, and
// must not be hidden by them.
func TestWhatWasNotEvaluatedCountsBeforeWhatDoesNotApply(t *testing.T) {
	route := stored.Record("", stored.Plaintext, 1)
	route.Key = []byte("/openshift.io/routes/default/a")
	foreign := stored.FactsUnder("/openshift.io", nil, route).Stores[0]
	wrong := stored.Facts(nil, stored.Record("default/a", stored.Plaintext, 1)).Stores[0]
	right := stored.Facts(nil, stored.Record("secrets/default/a", stored.Plaintext, 1)).Stores[0]
	for _, stores := range [][]facts.Store{{foreign, wrong}, {wrong, foreign}} {
		if r, ok := need.SecretsAnywhere(facts.Facts{Stores: stores}); ok || r.Status != check.NotEvaluated {
			t.Errorf("%v, %v", r, ok)
		}
	}
	if _, ok := need.SecretsAnywhere(facts.Facts{Stores: []facts.Store{foreign, right}}); !ok {
		t.Error("one store has Secrets")
	}
	if r, _ := need.SecretsAnywhere(facts.Facts{Stores: []facts.Store{foreign}}); r.Status != check.NotApplicable {
		t.Errorf("the test has lost its object: %v", r)
	}
}
