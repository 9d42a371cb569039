package main

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/protojson"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/kine"
	"github.com/sealproof/sealproof/test/stored"
)

// kine is a fake here: see its package.
func TestScanOfKineSaysWhatWasRead(t *testing.T) {
	server := kine.Server{Keys: map[string]string{"/registry/namespaces/default": stored.Plaintext, "/registry/secrets/default/a": stored.KMSv2("p", "k", 1)}}
	endpoint := server.Start(t)
	status, out, errs := run(t, "scan", "--endpoints", endpoint)
	if status != 0 || errs != "" || !strings.HasPrefix(oneLine(out), "Scope: live values at revision 42 of kine, which stands in for etcd ("+endpoint+")") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
	if strings.Contains(oneLine(out), "may not count") || !strings.Contains(oneLine(out), "kine of this version cannot count them") {
		t.Errorf("keys elsewhere:\n%s", out)
	}
}

// kine has a key of its own under the prefix, which no configuration reaches.
func TestScanOfKineAgreesWithItsConfiguration(t *testing.T) {
	server := kine.Server{Keys: map[string]string{"/registry/namespaces/default": stored.Plaintext, "/registry/secrets/default/a": stored.KMSv2("p", "k", 1)}}
	for _, entry := range []string{"secrets", "'*.*'"} {
		if entry != "secrets" {
			server.Keys = map[string]string{"/registry/secrets/default/a": stored.KMSv2("p", "k", 1)}
		}
		encryption := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [" + entry + "]\n" +
			"  providers: [{kms: {apiVersion: v2, name: p, endpoint: 'unix:///s'}}]\n"
		status, out, errs := run(t, "scan", "--endpoints", server.Start(t), "--encryption-provider-config", file(t, encryption))
		if status != 0 || errs != "" || strings.Contains(out, "could not be evaluated") || !strings.Contains(out, "(health check of kine)") {
			t.Errorf("%s: status %d, %s\n%s", entry, status, errs, out)
		}
	}
}

// The stores are those of the tests of the rules.
func TestScanOfOpenShiftsOwnPrefix(t *testing.T) {
	const cases = "../../etcdaudit/rules/testdata/openshift"
	for name, tt := range map[string]struct {
		stores []string
		status int
		says   []string
	}{
		"tokens are encrypted": {[]string{"encrypted"}, 0, []string{"oauthaccesstokens.oauth.openshift.io", "EA-101, EA-401: under /openshift.io/ are resources of OpenShift's oauth-apiserver"}},
		"tokens are plaintext": {[]string{"plain"}, 1, []string{"EA-111", "oauthaccesstokens.oauth.openshift.io (1 of 1)"}},
		"with routes, which are of the other server": {[]string{"encrypted", "routes"}, 0, []string{
			"resources of another API server: routes.route.openshift.io (openshift-apiserver): scan again with the EncryptionConfiguration of that server"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := startEtcd(t)
			use(t, e)
			for _, store := range tt.stores {
				load(t, e, filepath.Join(cases, store+".store"))
			}
			status, out, errs := run(t, "scan", "--prefix", "/openshift.io", "--encryption-provider-config", filepath.Join(cases, "oauth.yaml"))
			if status != tt.status || errs != "" {
				t.Errorf("status %d, %s\n%s", status, errs, out)
			}
			for _, text := range tt.says {
				if !strings.Contains(oneLine(out), text) {
					t.Errorf("does not say %q:\n%s", text, out)
				}
			}
		})
	}
}

func TestSecretsThatAnAPIServerStoresAsYAMLArePlaintext(t *testing.T) {
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	api, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e, Args: []string{"--storage-media-type=application/yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Data: map[string][]byte{"password": []byte(stored.Canary), "large": make([]byte, 100_000)}}
	if _, err := api.Client().CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Walk(ctx, "/registry/", func(kv *mvccpb.KeyValue) error {
		if f := storedvalue.Parse(kv.Value).Format; f == storedvalue.Unrecognised {
			t.Errorf("%s is not recognised", kv.Key)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	use(t, e)
	status, out, errs := run(t, "scan", "--output", "json")
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil || status != 1 {
		t.Fatalf("status %d, %v, %s", status, err, errs)
	}
	if o := r.Checks[0].Results[0].Objects; len(o) != 1 || o[0].Namespace != "default" || o[0].Name != "db" {
		t.Errorf("plaintext Secrets: %v", o)
	}
	for _, res := range r.Scopes[0].Resources {
		if res.Resource == "secrets" && res.Groups[0].Format != "yaml" {
			t.Errorf("stored as %s", res.Groups[0].Format)
		}
	}
	if strings.Contains(out, stored.Canary) || strings.Contains(out, base64.StdEncoding.EncodeToString([]byte(stored.Canary))) {
		t.Error("a part of a value is shown")
	}
}
