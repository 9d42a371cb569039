package rules_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/stored"
)

// fromFiles are stores and a configuration of testdata, judged with its keys.
func fromFiles(t *testing.T, prefix, config string, stores ...string) facts.Facts {
	t.Helper()
	var records []record.Record
	for _, store := range stores {
		records = append(records, stored.Load(t, filepath.Join("testdata", store))...)
	}
	return judged(t, prefix, config, records)
}

func judged(t *testing.T, prefix, config string, records []record.Record) facts.Facts {
	t.Helper()
	var keys keyring.Keyring
	defer keys.Clear()
	c, err := encryptionconfig.LoadWithKeys(filepath.Join("testdata", config), keys.Opener)
	if err != nil {
		t.Fatal(err)
	}
	return stored.FactsUnder(prefix, c, records...)
}

type outcome struct {
	status check.Status
	says   string
}

func TestOpenShiftIsJudgedByItsOwnPathsAndFiles(t *testing.T) {
	const noSecrets = "neither a Secret nor a Namespace: those are its kube-apiserver's"
	tests := []struct {
		name, prefix, config string
		stores               []string
		want                 map[string]outcome
	}{
		{"tokens are encrypted", "/openshift.io", "oauth.yaml", []string{"encrypted.store"}, map[string]outcome{
			"EA-101": {check.NotApplicable, noSecrets}, "EA-111": {check.Pass, "every value"}, "EA-112": {check.Pass, "all 1 encrypted value opened"}, "EA-113": {check.Pass, ""}, "EA-114": {check.Pass, ""},
			"EA-401": {check.NotApplicable, "OpenShift's oauth-apiserver, and " + noSecrets}, "EA-402": {check.Pass, ""},
		}},
		{"tokens are plaintext", "/openshift.io", "oauth.yaml", []string{"plain.store"}, map[string]outcome{
			"EA-111": {check.Fail, "oauthaccesstokens.oauth.openshift.io (1 of 1)"}, "EA-114": {check.Pass, ""}, "EA-401": {check.NotApplicable, noSecrets},
		}},
		{"routes", "/openshift.io", "routes.yaml", []string{"routes.store"}, map[string]outcome{
			"EA-101": {check.NotApplicable, "openshift-apiserver"}, "EA-111": {check.Pass, ""}, "EA-112": {check.Pass, ""}, "EA-113": {check.Pass, ""}, "EA-114": {check.Pass, ""}, "EA-401": {check.NotApplicable, noSecrets},
		}},
		{"what kube-apiserver keeps", "/kubernetes.io", "kube.yaml", []string{"kube.store"}, map[string]outcome{
			"EA-101": {check.Pass, ""}, "EA-111": {check.Pass, ""}, "EA-112": {check.Warn, "configmaps (1 of 1)"}, "EA-113": {check.Pass, ""}, "EA-114": {check.Pass, ""}, "EA-401": {check.Pass, ""},
		}},
		{"two servers under one prefix, judged by the file of one", "/openshift.io", "oauth.yaml", []string{"encrypted.store", "routes.store"}, map[string]outcome{
			"EA-111": {check.Pass, "not judged, because this is the file of another API server: routes.route.openshift.io"}, "EA-114": {check.Pass, "routes.route.openshift.io"},
			"EA-105": {check.Pass, "no resource of another API server"},
		}},
		{"and by that of the other", "/openshift.io", "routes.yaml", []string{"plain.store", "routes.store"}, map[string]outcome{
			"EA-111": {check.Pass, "oauthaccesstokens.oauth.openshift.io, oauthclients.oauth.openshift.io"}, "EA-114": {check.Pass, ""},
			"EA-105": {check.Warn, "another API server's"},
		}},
		{"what the other encrypted but for one", "/openshift.io", "routes.yaml", []string{"encrypted.store", "routes.store"}, map[string]outcome{
			"EA-105": {check.Warn, "1 value of 1 resource, which"}, "EA-114": {check.Pass, "oauthaccesstokens.oauth.openshift.io"},
		}},
		{"the file of kube-apiserver is the wrong one", "/openshift.io", "kube.yaml", []string{"routes.store", "plain.store"}, map[string]outcome{
			"EA-111": {check.NotEvaluated, "another API server"}, "EA-114": {check.NotEvaluated, "routes.route.openshift.io"}, "EA-401": {check.NotApplicable, noSecrets},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.stores {
				tt.stores[i] = "openshift/" + tt.stores[i]
			}
			in := fromFiles(t, tt.prefix, "openshift/"+tt.config, tt.stores...)
			for id, want := range tt.want {
				if c := stored.Result(t, in, id); c.Status != want.status || !strings.Contains(c.Summary+c.Reason, want.says) {
					t.Errorf("%s: %v: %s%s", id, c.Status, c.Summary, c.Reason)
				}
			}
		})
	}
}

// Whatever is under a path that is not known can be of any resource that the
// configuration names and that is not known to be elsewhere.
func TestAnUnknownPathIsNotJudgedByItsName(t *testing.T) {
	for entries, want := range map[string]check.Status{
		stored.Entry("secrets, deployments.apps", stored.KMS("v2", "p")): check.Pass,
		stored.Entry("widgets.example.com", stored.KMS("v2", "p")):       check.NotEvaluated,
	} {
		in := stored.Facts(stored.Config(t, entries), stored.Records(stored.Values{"gadgets/default/a": stored.Plaintext, "namespaces/default": stored.Plaintext})...)
		if c := stored.Result(t, in, "EA-111"); c.Status != want {
			t.Errorf("%s: %v: %s%s", entries, c.Status, c.Summary, c.Reason)
		}
	}
}

func TestSecretsAreNotAskedForWhereNothingShowsThatTheyAreKept(t *testing.T) {
	unconfigured := stored.Config(t, stored.Entry("widgets.example.com", stored.KMS("v2", "p")))
	for name, tt := range map[string]struct {
		values stored.Values
		status check.Status
	}{
		"a cluster without a Secret yet": {stored.Values{"namespaces/default": stored.Plaintext}, check.Fail},
		"a Secret":                       {stored.Values{"secrets/default/a": stored.Plaintext}, check.Fail},
		"an etcd without any key":        {stored.Values{}, check.Fail},
		"neither":                        {stored.Values{"example.com/widgets/default/a": stored.Plaintext}, check.NotEvaluated},
	} {
		in := stored.Facts(unconfigured, stored.Records(tt.values)...)
		if c := stored.Result(t, in, "EA-401"); c.Status != tt.status {
			t.Errorf("%s: %v: %s%s", name, c.Status, c.Summary, c.Reason)
		}
	}
}
