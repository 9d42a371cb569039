package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

// A report on what kubeadm sets up by itself must not be a wall of findings: what is usual
// there is below medium.
func TestAUsualNodeOfKubeadm(t *testing.T) {
	f := controlplane.New(t).Facts
	got := map[string]string{}
	for _, r := range rules.For(rules.Groups{Wire: true, Host: true}) {
		for _, c := range check.Evaluate([]check.Rule[facts.Facts]{r}, f) {
			if status := check.Worst(c.Results); status != check.Pass {
				got[c.ID] = status.String()
			}
			if check.Worst(c.Results).Finding() && c.Severity >= check.Medium {
				t.Errorf("%s is %v with severity %v: %+v", c.ID, check.Worst(c.Results), c.Severity, c.Results)
			}
		}
	}
	want := map[string]string{
		"EA-304": "not evaluated", // no certificates of others were given
		"EA-305": "warn",          // RBAC of etcd is off
		"EA-308": "warn",          // clients and peers have one CA
		"EA-317": "warn",
		"EA-411": "not applicable", // no revocation list
		"EA-422": "not applicable", // one etcd
		"EA-427": "warn",           // anonymous requests for health
		"EA-510": "warn",           // the API server's certificate for kubelets
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What was not asked for, or cannot be read, is never passed.
func TestNothingIsPassedWithoutFacts(t *testing.T) {
	for _, c := range check.Evaluate(rules.All(), facts.Facts{}) {
		if status := check.Worst(c.Results); status == check.Pass || status.Finding() || len(c.Results) == 0 || c.Results[0].Reason == "" {
			t.Errorf("%s: %+v", c.ID, c.Results)
		}
	}
}
