package rules_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// fromFiles reads stores and a configuration, as testdata/openshift/README.md
// describes them.
func fromFiles(t *testing.T, prefix, config string, stores ...string) rules.Input {
	t.Helper()
	in := rules.Input{Inventory: inventory.New(prefix)}
	var keys keyring.Keyring
	defer keys.Clear()
	var err error
	if in.Inventory.Config, err = encryptionconfig.LoadWithKeys(filepath.Join("testdata", config), keys.Opener); err != nil {
		t.Fatal(err)
	}
	for _, store := range stores {
		f, err := os.Open(filepath.Join("testdata", store))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			fields := strings.SplitN(lines.Text(), "\t", 3)
			if len(fields) != 3 {
				t.Fatalf("%s: %q", store, lines.Text())
			}
			revision, revisionErr := strconv.ParseInt(fields[1], 10, 64)
			value, valueErr := strconv.Unquote(fields[2])
			if revisionErr != nil || valueErr != nil {
				t.Fatalf("%s: %v, %v", store, revisionErr, valueErr)
			}
			in.Inventory.Add([]byte(fields[0]), []byte(value), revision)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if in.Inventory.Keys == 0 {
		t.Fatal("the stores are empty")
	}
	return in
}

type outcome struct {
	status auditv1.Status
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
			"EA-101": {notApplicable, noSecrets}, "EA-111": {pass, "every value"}, "EA-112": {pass, "all 1 encrypted value opened"}, "EA-113": {pass, ""}, "EA-114": {pass, ""},
			"EA-401": {notApplicable, "OpenShift's oauth-apiserver, and " + noSecrets}, "EA-402": {pass, ""},
		}},
		{"tokens are plaintext", "/openshift.io", "oauth.yaml", []string{"plain.store"}, map[string]outcome{
			"EA-111": {fail, "oauthaccesstokens.oauth.openshift.io (1 of 1)"}, "EA-114": {pass, ""}, "EA-401": {notApplicable, noSecrets},
		}},
		{"routes", "/openshift.io", "routes.yaml", []string{"routes.store"}, map[string]outcome{
			"EA-101": {notApplicable, "openshift-apiserver"}, "EA-111": {pass, ""}, "EA-112": {pass, ""}, "EA-113": {pass, ""}, "EA-114": {pass, ""}, "EA-401": {notApplicable, noSecrets},
		}},
		{"what kube-apiserver keeps", "/kubernetes.io", "kube.yaml", []string{"kube.store"}, map[string]outcome{
			"EA-101": {pass, ""}, "EA-111": {pass, ""}, "EA-112": {warn, "configmaps (1 of 1)"}, "EA-113": {pass, ""}, "EA-114": {pass, ""}, "EA-401": {pass, ""},
		}},
		{"two servers under one prefix, judged by the file of one", "/openshift.io", "oauth.yaml", []string{"encrypted.store", "routes.store"}, map[string]outcome{
			"EA-111": {pass, "not judged, because this is the file of another API server: routes.route.openshift.io"}, "EA-114": {pass, "routes.route.openshift.io"},
			"EA-105": {pass, "no resource of another API server"},
		}},
		{"and by that of the other", "/openshift.io", "routes.yaml", []string{"plain.store", "routes.store"}, map[string]outcome{
			"EA-111": {pass, "oauthaccesstokens.oauth.openshift.io, oauthclients.oauth.openshift.io"}, "EA-114": {pass, ""},
			"EA-105": {warn, "another API server's"},
		}},
		{"what the other encrypted but for one", "/openshift.io", "routes.yaml", []string{"encrypted.store", "routes.store"}, map[string]outcome{
			"EA-105": {warn, "1 value of 1 resource, which"}, "EA-114": {pass, "oauthaccesstokens.oauth.openshift.io"},
		}},
		{"the file of kube-apiserver is the wrong one", "/openshift.io", "kube.yaml", []string{"routes.store", "plain.store"}, map[string]outcome{
			"EA-111": {notEvaluated, "another API server"}, "EA-114": {notEvaluated, "routes.route.openshift.io"}, "EA-401": {notApplicable, noSecrets},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.stores {
				tt.stores[i] = "openshift/" + tt.stores[i]
			}
			in := fromFiles(t, tt.prefix, "openshift/"+tt.config, tt.stores...)
			for id, want := range tt.want {
				if c := check(t, in, id); c.Status != want.status || !strings.Contains(c.Summary+c.Reason, want.says) {
					t.Errorf("%s: %v: %s%s", id, c.Status, c.Summary, c.Reason)
				}
			}
		})
	}
}

// Whatever is under a path that is not known can be of any resource that the
// configuration names and that is not known to be elsewhere.
func TestAnUnknownPathIsNotJudgedByItsName(t *testing.T) {
	for entries, want := range map[string]auditv1.Status{
		entry("secrets, deployments.apps", kmsProvider): pass,
		entry("widgets.example.com", kmsProvider):       notEvaluated,
	} {
		in := compared(stored{"gadgets/default/a": plain, "namespaces/default": plain}, config(t, entries))
		if c := check(t, in, "EA-111"); c.Status != want {
			t.Errorf("%s: %v: %s%s", entries, c.Status, c.Summary, c.Reason)
		}
	}
}

func TestSecretsAreNotAskedForWhereNothingShowsThatTheyAreKept(t *testing.T) {
	unconfigured := config(t, entry("widgets.example.com", kmsProvider))
	for name, tt := range map[string]struct {
		values stored
		status auditv1.Status
	}{
		"a cluster without a Secret yet": {stored{"namespaces/default": plain}, fail},
		"a Secret":                       {stored{"secrets/default/a": plain}, fail},
		"an etcd without any key":        {stored{}, fail},
		"neither":                        {stored{"example.com/widgets/default/a": plain}, notEvaluated},
	} {
		in := compared(tt.values, unconfigured)
		if c := check(t, in, "EA-401"); c.Status != tt.status {
			t.Errorf("%s: %v: %s%s", name, c.Status, c.Summary, c.Reason)
		}
	}
}
