package report_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Another API server's values may have keys of their own under the same
// provider's name.
func TestAnotherServersValuesAreNotCalledStale(t *testing.T) {
	config, err := encryptionconfig.Parse([]byte("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n" +
		"- resources: [routes.route.openshift.io]\n  providers: [{kms: {apiVersion: v2, name: sealproof, endpoint: 'unix:///s'}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	inv := inventory.New("/openshift.io")
	inv.Config = config
	inv.Add([]byte("/openshift.io/routes/default/a"), kmsV2("k2", 2, nil), 1)
	inv.Add([]byte("/openshift.io/oauth/accesstokens/a"), kmsV2("k1", 1, nil), 2)
	for _, r := range build(inv, auditv1.Severity_SEVERITY_MEDIUM).Resources {
		if len(r.Groups) != 1 || r.Groups[0].Stale {
			t.Errorf("%s: %v", r.Resource, r.Groups)
		}
	}
}
