package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
)

// Other tests run etcds on the same machine: what is said of these two processes is looked
// at.
func TestAllOfARealControlPlane(t *testing.T) {
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	const aescbc = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n" +
		"  providers: [{aescbc: {keys: [{name: k1, secret: Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZMzI=}]}}, {identity: {}}]\n"
	api, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e, Encryption: aescbc})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Data: map[string][]byte{"password": []byte(stored.Canary)}}
	if _, err := api.Client().CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	use(t, e)
	r, _ := reportOf(t, "all", "--kubeconfig", api.Kubeconfig())
	var layers []string
	for _, s := range r.Scopes {
		layers = append(layers, s.Layer)
	}
	if !slices.Equal(layers, []string{"live", "wire", "host"}) || len(r.Scopes[0].EncryptionConfigFiles) != 1 {
		t.Errorf("scopes %q, compared with %v", layers, r.Scopes[0].EncryptionConfigFiles)
	}
	etcd, server := fmt.Sprintf("etcd (pid %d)", e.Member(0).PID()), fmt.Sprintf("kube-apiserver (pid %d)", api.PID())
	for _, want := range []struct {
		id, target string
		status     auditv1.Status
	}{
		{"EA-101", "live:", auditv1.Status_STATUS_PASS},
		{"EA-114", "live:", auditv1.Status_STATUS_PASS}, // the keys of the file open what is stored
		{"EA-331", "live:", auditv1.Status_STATUS_PASS},
		{"EA-333", "live:", auditv1.Status_STATUS_PASS},
		{"EA-302", e.Endpoints()[0], auditv1.Status_STATUS_PASS},
		{"EA-318", e.Endpoints()[0], auditv1.Status_STATUS_PASS},
		{"EA-401", "", auditv1.Status_STATUS_PASS},
		{"EA-403", etcd, auditv1.Status_STATUS_PASS},
		{"EA-404", etcd, auditv1.Status_STATUS_PASS},
		{"EA-408", etcd, auditv1.Status_STATUS_PASS},
		{"EA-413", etcd, auditv1.Status_STATUS_PASS},
		{"EA-421", server, auditv1.Status_STATUS_PASS},
		{"EA-423", server, auditv1.Status_STATUS_PASS},
		{"EA-424", server, auditv1.Status_STATUS_PASS},
	} {
		check := checkOf(t, r, want.id)
		i := slices.IndexFunc(check.Results, func(result *auditv1.Result) bool { return strings.HasPrefix(result.Target, want.target) })
		if i < 0 || check.Results[i].Status != want.status {
			t.Errorf("%s of %q: want %v: %v", want.id, want.target, want.status, check.Results)
		}
	}
	i := slices.IndexFunc(r.Configurations, func(c *auditv1.Configuration) bool { return c.Name == etcd })
	if i < 0 || !slices.ContainsFunc(r.Configurations[i].Settings, func(s *auditv1.Setting) bool {
		return s.Name == "client-cert-auth" && s.Value == "true" && s.Origin == "--client-cert-auth"
	}) {
		t.Errorf("client-cert-auth of %s has no origin", etcd)
	}
}

// One etcd that cannot be reached must not take the rest of the audit with it.
func TestAllGoesOnWithoutAnEtcd(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	endpoint := e.Endpoints()[0]
	if err := e.Member(0).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, status := reportOf(t, "all", "--root", t.TempDir(), "--timeout", "2s")
	if status != 2 {
		t.Errorf("status %d", status)
	}
	for _, id := range []string{"EA-101", "EA-302", "EA-403"} {
		if c := checkOf(t, r, id); c.Status != auditv1.Status_STATUS_NOT_EVALUATED || c.Summary == "" {
			t.Errorf("%s: %v, %s", id, c.Status, c.Summary)
		}
	}
	if c := checkOf(t, r, "EA-302"); !strings.Contains(c.Results[0].Target+c.Summary, endpoint) && !strings.Contains(c.Summary, "nothing listens there") {
		t.Errorf("EA-302: %v", c)
	}
}

// What a node's files name is looked for in its tree, and never at the same path of this
// machine.
func TestATreeLeadsToItsEtcd(t *testing.T) {
	e := startEtcd(t)
	put(t, e, "namespaces/default", stored.Plaintext)
	put(t, e, "secrets/default/a", stored.Plaintext)
	root, files := t.TempDir(), e.ClientFiles()
	pki := filepath.Join(root, "etc/kubernetes/pki")
	manifests := filepath.Join(root, "etc/kubernetes/manifests")
	for _, err := range []error{os.MkdirAll(pki, 0o755), os.MkdirAll(manifests, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, file := range map[string]string{"etcd-ca.crt": files.CA, "client.crt": files.Cert, "client.key": files.Key} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(pki, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manifest := "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver}\nspec:\n  containers:\n  - name: kube-apiserver\n    command: [kube-apiserver, --etcd-servers=" + e.Endpoints()[0] +
		", --etcd-cafile=/pki/etcd-ca.crt, --etcd-certfile=/pki/client.crt, --etcd-keyfile=/pki/client.key]\n" +
		"    volumeMounts: [{name: pki, mountPath: /pki}]\n  volumes: [{name: pki, hostPath: {path: /etc/kubernetes/pki}}]\n"
	if err := os.WriteFile(filepath.Join(manifests, "kube-apiserver.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := run(t, "all", "--root", root, "--output", "json")
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil || status != 1 {
		t.Fatalf("status %d, %v, %s", status, err, errs)
	}
	for _, said := range []string{"etcd at " + e.Endpoints()[0], "as the client of " + filepath.Join(pki, "client.crt")} {
		if !strings.Contains(errs, said) {
			t.Errorf("stderr does not say %q: %s", said, errs)
		}
	}
	for id, want := range map[string]auditv1.Status{"EA-101": auditv1.Status_STATUS_FAIL, "EA-302": auditv1.Status_STATUS_PASS, "EA-421": auditv1.Status_STATUS_PASS} {
		if c := checkOf(t, &r, id); c.Status != want {
			t.Errorf("%s: %v, %s", id, c.Status, c.Summary)
		}
	}
}

// What stands there has no etcd: nothing can be said of it, and all else is said.
func TestAllOfANodeWithoutEtcd(t *testing.T) {
	for _, node := range []string{"worker", "eks"} {
		status, stdout, stderr := run(t, "all", "--root", "../../etcdaudit/hostconfig/testdata/"+node)
		if status != 2 || !strings.Contains(oneLine(stdout), "NOT EVALUATED") {
			t.Errorf("%s: status %d\n%s%s", node, status, stdout, stderr)
		}
	}
}
