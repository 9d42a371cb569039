package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

// Where an API server keeps its Secrets in another etcd, what remains of them in the one
// that was scanned is no proof.
func TestNothingIsSaidOfSecretsInAnEtcdThatWasNotScanned(t *testing.T) {
	for name, tt := range map[string]struct {
		value, override string
		want            check.Status
	}{
		"Secrets are elsewhere":                       {stored.KMSv2("p", "k", 1), "https://192.0.2.20:2379", check.NotEvaluated},
		"that etcd was scanned, under another scheme": {stored.KMSv2("p", "k", 1), "http://192.0.2.10:2379", check.Pass},
		"what is plaintext here is plaintext":         {stored.Plaintext, "https://192.0.2.20:2379", check.Fail},
	} {
		f := stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": tt.value})...)
		f.Stores[0].Scope.Sources = []record.Input{{Name: "https://192.0.2.10:2379"}}
		f.Host = &facts.Host{APIServers: []facts.APIServer{{
			Name: "kube-apiserver (pid 1)", Files: map[string]facts.File{"/pki/ca.crt": {At: "/etc/kubernetes/pki/ca.crt"}},
			Config: apiserverconfig.Config{EtcdCA: "/pki/ca.crt", EtcdCert: "/c.crt", EtcdKey: "/c.key", EtcdPrefix: "/registry", Etcds: []apiserverconfig.Etcd{
				{Servers: []string{"https://192.0.2.10:2379"}}, {Resource: "/secrets", Servers: []string{tt.override, "https://192.0.2.21:2379"}},
			}},
		}}}
		r := stored.Result(t, f, "EA-101")
		const scan = "etcdaudit scan --endpoints https://192.0.2.20:2379,https://192.0.2.21:2379 --cacert /etc/kubernetes/pki/ca.crt --cert /c.crt --key /c.key"
		if r.Status == check.NotEvaluated && !strings.HasSuffix(r.Remedy, scan) {
			t.Errorf("%s: the remedy is %q", name, r.Remedy)
		}
		if r.Status != tt.want || r.Status == check.NotEvaluated && !strings.Contains(r.Reason, "keeps Secrets in https://192.0.2.20:2379") {
			t.Errorf("%s: %v, %s%s", name, r.Status, r.Summary, r.Reason)
		}
	}
}

// Another control plane of the machine says nothing of this etcd.
func TestAnotherAPIServersOverridesDoNotCount(t *testing.T) {
	f := stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": stored.KMSv2("p", "k", 1)})...)
	f.Stores[0].Scope.Sources = []record.Input{{Name: "https://127.0.0.1:2379"}}
	f.Host = &facts.Host{APIServers: []facts.APIServer{
		{Name: "another", Config: apiserverconfig.Config{Etcds: []apiserverconfig.Etcd{{Servers: []string{"https://127.0.0.1:9"}}, {Resource: "/secrets", Servers: []string{"https://127.0.0.1:10"}}}}},
		{Name: "this one", Config: apiserverconfig.Config{Etcds: []apiserverconfig.Etcd{{Servers: []string{"https://127.0.0.1:2379"}}}}},
	}}
	if r := stored.Result(t, f, "EA-101"); r.Status != check.Pass {
		t.Errorf("%v, %s%s", r.Status, r.Summary, r.Reason)
	}
	f.Host.APIServers = f.Host.APIServers[:1] // it may use this etcd under another address
	if r := stored.Result(t, f, "EA-101"); r.Status != check.NotEvaluated {
		t.Errorf("%v, %s%s", r.Status, r.Summary, r.Reason)
	}
}
