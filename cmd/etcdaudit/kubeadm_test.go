package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// kubeadmConfig has the places of a tree in it, and addresses that no other etcd of this
// machine has; the rest is kubeadm's own.
const kubeadmConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
certificatesDir: ROOT/etc/kubernetes/pki
apiServer: {extraArgs: [{name: etcd-servers, value: "https://CLIENT"}]}
etcd:
  local:
    dataDir: ROOT/var/lib/etcd
    extraArgs:
    - {name: listen-client-urls, value: "https://CLIENT"}
    - {name: advertise-client-urls, value: "https://CLIENT"}
    - {name: listen-peer-urls, value: "https://PEER"}
    - {name: initial-advertise-peer-urls, value: "https://PEER"}
    - {name: initial-cluster, value: "cp-1=https://PEER"}
    - {name: listen-metrics-urls, value: "http://METRICS"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {name: cp-1}
localAPIEndpoint: {advertiseAddress: 192.0.2.10, bindPort: 6443}
`

// The node is as kubeadm makes it: certificates, manifests, and an etcd that runs as its
// manifest says.
func TestScanOfANodeThatKubeadmMade(t *testing.T) {
	c := clustertest.New(t, components.Etcd, components.Kubeadm)
	root, manifests := filepath.Join(c.Dir(), "node"), "etc/kubernetes/manifests"
	testkit.Check(t, os.MkdirAll(filepath.Join(root, manifests), 0o755))
	address := func() string { return testkit.Must(c.Address())(t) }
	client := address()
	config := file(t, strings.NewReplacer("ROOT", root, "CLIENT", client, "PEER", address(), "METRICS", address()).Replace(kubeadmConfig))
	for _, phase := range []string{"certs all", "etcd local --dry-run", "control-plane apiserver --dry-run"} {
		cmd := exec.CommandContext(t.Context(), c.Program(components.Kubeadm), append(append([]string{"init", "phase"}, strings.Fields(phase)...), "--config", config)...)
		cmd.Env = append(os.Environ(), "KUBEADM_INIT_DRYRUN_DIR="+filepath.Join(root, manifests))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("kubeadm init phase %s: %v\n%s", phase, err, out)
		}
	}
	var pod corev1.Pod
	testkit.Check(t, yaml.Unmarshal(testkit.Must(os.ReadFile(filepath.Join(root, manifests, "etcd.yaml")))(t), &pod))
	etcd := startAs(t, c, pod.Spec.Containers[0].Command[1:], root, client)
	for i := range 20 {
		testkit.Must(etcd.Put(t.Context(), fmt.Sprintf("/registry/secrets/shop/s%02d", i), plain("s")))(t)
	}
	testkit.Must(etcd.Put(t.Context(), "/registry/namespaces/kube-system", stored.Plaintext))(t)
	// On the node the tree is the root.
	for _, name := range []string{"etcd.yaml", "kube-apiserver.yaml"} {
		name = filepath.Join(root, manifests, name)
		testkit.Check(t, os.WriteFile(name, []byte(strings.ReplaceAll(string(testkit.Must(os.ReadFile(name))(t)), root, "")), 0o600))
	}

	r, errs := scanned(t, "scan", "--root", root, "--work-dir", t.TempDir())
	if layers := layersOf(r, "keys under"); !slices.Equal(layers, []string{"live", "live", "history", "free-pages", "wal"}) {
		t.Errorf("layers %q; %s", layers, errs)
	}
	if objects := objectsIn(t, r, "EA-101", "live"); len(objects) != 20 {
		t.Errorf("plaintext Secrets: %q", objects)
	}
	for _, said := range []string{
		"etcd at https://" + client + " (--etcd-servers of kube-apiserver of /etc/kubernetes/manifests/kube-apiserver.yaml)",
		"as the client of " + root + "/etc/kubernetes/pki/apiserver-etcd-client.crt, checked with the CA of " + root + "/etc/kubernetes/pki/etcd/ca.crt",
		root + "/var/lib/etcd/member/snap/db is read as ",
	} {
		if !strings.Contains(errs, said) {
			t.Errorf("stderr does not say %q: %s", said, errs)
		}
	}
}

// startAs starts an etcd with the arguments of its manifest, and returns a client of it.
func startAs(t *testing.T, c *cluster.Cluster, args []string, root, client string) *clientv3.Client {
	t.Helper()
	pki := filepath.Join(root, "etc/kubernetes/pki")
	files := cluster.CertFiles{CA: filepath.Join(pki, "etcd/ca.crt"), Cert: filepath.Join(pki, "apiserver-etcd-client.crt"), Key: filepath.Join(pki, "apiserver-etcd-client.key")}
	tls := testkit.Must(files.TLS())(t)
	etcd := testkit.Must(clientv3.New(clientv3.Config{Endpoints: []string{"https://" + client}, TLS: tls}))(t)
	t.Cleanup(func() { _ = etcd.Close() })
	testkit.Must(c.StartProgram(t.Context(), cluster.ProgramOptions{
		Name: "etcd-of-kubeadm", Program: components.Etcd, Args: args,
		Ready: func(ctx context.Context, _ *cluster.Process) error {
			_, err := etcd.Get(ctx, "x")
			return err
		},
	}))(t)
	return etcd
}
