package deploy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

// clusterConfiguration is what kubeadm keeps in the cluster, of a release older than
// kubeadm's own: nodes are upgraded one after the other, and an image must not change
// by the way.
const (
	clusterConfiguration = `apiServer: {}
apiVersion: kubeadm.k8s.io/v1beta4
caCertificateValidityPeriod: 87600h0m0s
certificateValidityPeriod: 8760h0m0s
certificatesDir: /etc/kubernetes/pki
clusterName: kubernetes
controlPlaneEndpoint: control-plane.test:6443
controllerManager: {}
dns: {}
encryptionAlgorithm: RSA-2048
etcd:
  local:
    dataDir: /var/lib/etcd
imageRepository: registry.k8s.io
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
networking:
  dnsDomain: cluster.local
  serviceSubnet: 10.96.0.0/12
proxy: {}
scheduler: {}
`
	kubeadmManifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
)

// The node has the manifest that kubeadm made for it when it was installed; after the
// commands of the guide it has what the patch adds, and is otherwise the same.
func TestKubeadmGivesTheAPIServerWhatThePatchAddsAndNothingElse(t *testing.T) {
	const step = "deploy/encryption/to-identity.yaml"
	blocks := section(t, guide, "The API server with kubeadm")
	for name, endpoint := range map[string]struct {
		address string
		port    int
	}{
		"IPv4":         {"192.0.2.10", 6443},
		"IPv6":         {"2001:db8::a", 6443},
		"another port": {"192.0.2.11", 7443},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			put(t, n.path("cluster-configuration"), clusterConfiguration)
			put(t, n.work+"/installed-with.yaml", fmt.Sprintf(
				"%s---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint: {advertiseAddress: %q, bindPort: %d}\n",
				clusterConfiguration, endpoint.address, endpoint.port))
			n.run(t, "kubeadm init phase control-plane apiserver --config installed-with.yaml")
			before := testkit.Must(os.ReadFile(n.path(kubeadmManifest)))(t)

			n.run(t, strings.ReplaceAll(strings.Join(blocks, "\n"), "FILE", step)) // in one shell: a variable stays
			if calls, want := n.called(t, "kubectl"), fmt.Sprintf("--server https://%s ", net.JoinHostPort(endpoint.address, strconv.Itoa(endpoint.port))); !strings.Contains(strings.Join(calls, "\n"), want) {
				t.Errorf("this node's API server is not asked (%s): %q", want, calls)
			}
			n.checkEncryptionFile(t, step)
			n.checkAdded(t, string(before))
			if kept, err := os.ReadFile(n.path("/etc/kubernetes/kube-apiserver.yaml.before")); err != nil || !bytes.Equal(kept, before) {
				t.Errorf("the old manifest is not kept: %v", err)
			}
		})
	}
}

// checkAdded checks what diff showed the operator, and that it came true.
func (n node) checkAdded(t *testing.T, before string) {
	t.Helper()
	after := testkit.Must(os.ReadFile(n.path(kubeadmManifest)))(t)
	shown := testkit.Must(os.ReadFile(n.path("diff")))(t)
	var added, want []string
	for line := range strings.Lines(string(shown)) {
		switch {
		case strings.HasPrefix(line, "< "):
			t.Errorf("it takes away: %s", line)
		case strings.HasPrefix(line, "> "):
			added = append(added, strings.TrimSpace(line[2:]))
		}
	}
	had := strings.Split(before, "\n")
	for _, line := range strings.Split(string(after), "\n") {
		if i := slices.Index(had, line); i >= 0 {
			had = slices.Delete(had, i, i+1)
			continue
		}
		want = append(want, strings.TrimSpace(line))
	}
	slices.Sort(added)
	slices.Sort(want)
	if len(had) > 0 || len(want) != 14+len(apiServerFlags) || !slices.Equal(added, want) {
		t.Errorf("the operator was shown %q, and got %q; what is gone is %q", added, want, had)
	}
	for _, flag := range apiServerFlags {
		if !slices.Contains(added, "- --"+flag) {
			t.Errorf("there is no --%s", flag)
		}
	}
}
