package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// What an API server wrote by itself under a configuration that names
// everything agrees with that configuration, its own allocations included,
// which it never encrypts.
func TestAStoreWrittenUnderWildcardsAgreesWithThem(t *testing.T) {
	provider := "\n  providers:\n  - aescbc: {keys: [{name: k, secret: " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "}]}\n  - identity: {}\n"
	encryption := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n" +
		"- resources: ['*.']" + provider + "- resources: ['*.*']" + provider
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	api, err := c.StartAPIServer(t.Context(), cluster.APIServerOptions{Etcd: e, Encryption: encryption})
	if err != nil {
		t.Fatal(err)
	}
	use(t, e)
	_, out, errs := run(t, "scan", "--output", "json", "--encryption-provider-config", file(t, encryption))
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v, %s", err, errs)
	}
	for _, check := range r.Checks {
		if strings.HasPrefix(check.Id, "EA-33") {
			if s := check.Results[0]; s.Status != auditv1.Status_STATUS_NOT_EVALUATED || !s.Optional || !strings.Contains(s.Reason, "are encrypted") {
				t.Errorf("%s: %v", check.Id, s)
			}
			continue
		}
		if check.Id == "EA-161" || check.Id == "EA-165" { // about aescbc, and identity behind it
			if check.Status != auditv1.Status_STATUS_WARN {
				t.Errorf("%s: %v", check.Id, check.Results)
			}
			continue
		}
		if s := check.Status; s != auditv1.Status_STATUS_PASS && s != auditv1.Status_STATUS_NOT_APPLICABLE {
			t.Errorf("%s %v: %s%s", check.Id, s, check.Summary, check.Results)
		}
	}
	asked, _ := reportOf(t, "scan", "--kubeconfig", api.Kubeconfig())
	if c := checkOf(t, asked, "EA-333"); c.Status != auditv1.Status_STATUS_PASS || c.Results[0].Target != "API server "+api.URL || len(asked.Readers) == 0 {
		t.Errorf("%v, %d readers", c, len(asked.Readers))
	}
	own := 0
	for _, res := range r.Scopes[0].Resources {
		if res.Resource == "ranges" || res.Resource == "peerserverleases" {
			own += int(res.Plaintext)
		}
	}
	if own == 0 {
		t.Error("there is nothing of the API server's own: the comparison proves little")
	}
}
