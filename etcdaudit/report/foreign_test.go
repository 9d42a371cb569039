package report_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/stored"
)

// Another API server's values may have keys of their own under the same
// provider's name.
func TestAnotherServersValuesAreNotCalledStale(t *testing.T) {
	config := stored.Config(t, stored.Entry("routes.route.openshift.io", stored.KMS("v2", "sealproof")))
	all := values{stored.Record("", stored.KMSv2("sealproof", "k2", 2), 1), stored.Record("", stored.KMSv2("sealproof", "k1", 1), 2)}
	all[0].Key, all[1].Key = []byte("/openshift.io/routes/default/a"), []byte("/openshift.io/oauth/accesstokens/a")
	r := reported(t, all, func(s *record.Scope, o *audit.Options) { s.Prefix, o.Encryption = "/openshift.io/", config })
	for _, r := range r.Scopes[0].Resources {
		if len(r.Groups) != 1 || r.Groups[0].Stale {
			t.Errorf("%s: %v", r.Resource, r.Groups)
		}
	}
}
