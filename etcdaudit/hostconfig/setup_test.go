package hostconfig

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// The layouts are those of the distributions' documentation.
func TestDistributionsAreNamedByTheirFiles(t *testing.T) {
	const k0sEtcd = "/var/lib/k0s/bin/etcd\x00--data-dir=/var/lib/k0s/etcd\x00--name=node\x00"
	const k0sAPI = "/var/lib/k0s/bin/kube-apiserver\x00--etcd-servers=https://127.0.0.1:2379\x00--authorization-mode=Node,RBAC\x00"
	const kine = "/var/lib/k0s/bin/kine\x00--endpoint=sqlite:///var/lib/k0s/db/state.db\x00"
	for name, tc := range map[string]struct {
		files map[string]string
		want  facts.SetupKind
		says  string
		runs  int // etcds and API servers
	}{
		"k0s, running": {map[string]string{
			"etc/k0s/k0s.yaml": "spec: {storage: {type: etcd}}\n", "proc/7/cmdline": k0sEtcd, "proc/8/cmdline": k0sAPI,
		}, facts.K0s, "/etc/k0s/k0s.yaml", 2},
		"k0s with kine": {map[string]string{"var/lib/k0s/pki/ca.crt": "", "proc/7/cmdline": kine}, facts.K0s, "no process of them was found", 0},
		"a copy of k0s": {map[string]string{"etc/k0s/k0s.yaml": "", "var/lib/k0s/pki/ca.crt": ""}, facts.K0s, "no process of them was found", 0},
		"MicroK8s": {map[string]string{
			"var/snap/microk8s/current/args/kube-apiserver": "--authorization-mode=RBAC,Node\n", "var/snap/microk8s/current/args/k8s-dqlite": "--storage-dir=${SNAP_DATA}/var/kubernetes/backend/\n",
		}, facts.Micro, "k8s-dqlite in place of etcd", 0},
		"Talos":               {map[string]string{"etc/os-release": "NAME=\"Talos\"\nID=talos\n"}, facts.Talos, "talosctl", 0},
		"Talos by its kernel": {map[string]string{"proc/version": "Linux version 6.12.6-talos (@buildkitsandbox)\n"}, facts.Talos, "/proc/version", 0},
		"another system":      {map[string]string{"etc/os-release": "ID=debian\n"}, facts.Worker, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := read(t, node(t, tc.files))
			if h.Setup.Kind != tc.want || !strings.Contains(h.Setup.Fact, tc.says) || len(h.Etcds)+len(h.APIServers) != tc.runs {
				t.Errorf("%+v, %+v, %+v", h.Setup, h.Etcds, h.APIServers)
			}
		})
	}
}
