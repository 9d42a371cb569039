package files_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestWhatDecidesOnTrustAndStart(t *testing.T) {
	const ca, manifest = controlplane.PKI + "etcd/ca.crt", controlplane.Manifest + "etcd.yaml"
	controlplane.Run(t, "EA-503",
		controlplane.Case{Name: "kubeadm's CA", Target: ca, Status: check.Pass, Says: "0644, uid 0"},
		controlplane.Case{Name: "a CA that everyone writes", Change: controlplane.Mode(ca, 0o666), Target: ca, Status: check.Fail, Says: "everyone can write it", Fix: "chmod o-w " + ca},
		controlplane.Case{Name: "a manifest that others read", Change: controlplane.Mode(manifest, 0o644), Target: manifest, Status: check.Pass, Says: "0644, uid 0; the letter of CIS 1.1.7"},
		controlplane.Case{Name: "a manifest that a group writes", Change: func(n *controlplane.Node) {
			k := n.Kept(manifest)
			k.File.Mode, k.File.GID = 0o660, 1000
		}, Target: manifest, Status: check.Fail, Says: "group 1000 can write it"},
		controlplane.Case{Name: "a manifest that root's group writes", Change: controlplane.Mode(manifest, 0o660), Target: manifest, Status: check.Pass, Says: "0660"},
		// etcd reads its CA; a manifest is the kubelet's.
		controlplane.Case{Name: "a manifest of etcd's uid", Change: func(n *controlplane.Node) {
			n.Etcd().Process.UID = 997
			n.Kept(manifest).File.UID = 997
		}, Target: manifest, Status: check.Fail, Says: "uid 997, which is neither root", Fix: "chown root"},
		controlplane.Case{Name: "a CA of etcd's uid", Change: func(n *controlplane.Node) {
			k := n.Kept(ca)
			k.File.UID, k.Users[0].UID = 997, 997
		}, Target: ca, Status: check.Pass, Says: "uid 997"},
		controlplane.Case{Name: "a CA that everyone writes, of a uid that is not known", Change: func(n *controlplane.Node) {
			k := n.Kept(ca)
			k.File.Mode, k.File.UID, k.Users[0].UID = 0o666, 997, -1
		}, Target: ca, Status: check.Fail, Says: "everyone can write it"},
		controlplane.Case{Name: "a CA that a group writes, and no process was read", Change: func(n *controlplane.Node) {
			k := n.Kept(ca)
			k.File.Mode, k.File.GID, k.Users[0].UID = 0o664, 997, -1
		}, Target: ca, Status: check.NotEvaluated, Says: "group 997 can write it; which groups", Expected: true},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) { n.Facts.Host.Kept = nil }, Status: check.NotEvaluated, Says: "no certificate, manifest"},
		controlplane.Copied,
		controlplane.NoNode,
	)
}
