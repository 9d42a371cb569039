package files_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestFilesWithSecrets(t *testing.T) {
	const snapshot, kubeconfig, manifest = controlplane.Snapshots + "/snapshot.db", "/etc/kubernetes/kubelet.conf", controlplane.Manifest + "etcd.yaml"
	controlplane.Run(t, "EA-505",
		controlplane.Case{Name: "a snapshot of root's", Target: snapshot, Status: check.Pass, Says: "0600, uid 0"},
		controlplane.Case{Name: "a snapshot that everyone reads", Change: controlplane.Mode(snapshot, 0o644), Target: snapshot, Status: check.Fail, Says: "everyone can read it; it holds all data", Fix: "chmod 0600 " + snapshot},
		controlplane.Case{Name: "a kubeconfig that a group reads", Change: func(n *controlplane.Node) {
			k := n.Kept(kubeconfig)
			k.File.Mode, k.File.GID = 0o640, 1000
		}, Target: kubeconfig, Status: check.Warn, Says: "group 1000 can read it; it has the credentials"},
		controlplane.Case{Name: "a manifest with a password in it", Change: func(n *controlplane.Node) {
			k := n.Kept(manifest)
			k.File.Mode, k.Secret = 0o644, "ETCDCTL_PASSWORD stands in it"
		}, Target: manifest, Status: check.Fail, Says: "ETCDCTL_PASSWORD stands in it"},
		controlplane.Case{Name: "an EncryptionConfiguration with keys", Change: func(n *controlplane.Node) {
			n.Kept(controlplane.Policy).Secret = "it has the keys"
		}, Target: controlplane.Policy, Status: check.Pass, Says: "0600"},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) { n.Facts.Host.Kept = nil }, Status: check.NotEvaluated, Says: "no file with a secret"},
		controlplane.Copied,
		controlplane.NoNode,
	)
}
