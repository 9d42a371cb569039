package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestSeparateCAs(t *testing.T) {
	controlplane.Run(t, "EA-317",
		controlplane.Case{Name: "kubeadm's one CA", Status: check.Warn, Says: "CN=etcd-ca is trusted for peers and for clients", Fix: "--peer-trusted-ca-file"},
		controlplane.Case{Name: "one CA at two paths, under two names", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.TrustedCA = "/etc/etcd/peer-ca.crt"
			n.Etcd().Files["/etc/etcd/peer-ca.crt"] = controlplane.File(0o644, n.EtcdCA.Renewed("peers").Cert)
		}, Status: check.Warn, Says: "CN=peers"},
		controlplane.Case{Name: "two CAs", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.TrustedCA = "/etc/etcd/peer-ca.crt"
			n.Etcd().Files["/etc/etcd/peer-ca.crt"] = controlplane.File(0o644, controlplane.NewAuthority(n.T, "peers").Cert)
		}, Status: check.Pass, Says: "peers trust CN=peers"},
		controlplane.Case{Name: "two CAs of one name", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.TrustedCA = "/etc/etcd/peer-ca.crt"
			n.Etcd().Files["/etc/etcd/peer-ca.crt"] = controlplane.File(0o644, controlplane.NewAuthority(n.T, "etcd-ca").Cert)
		}, Status: check.Pass},
		controlplane.Case{Name: "no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Status: check.NotEvaluated, Says: "names prove nothing", Expected: true},
		controlplane.Case{Name: "the files could not be read", Change: func(n *controlplane.Node) {
			n.Etcd().Files = nil
		}, Status: check.NotEvaluated, Says: "no certificate that could be read"},
		controlplane.Case{Name: "clients need none", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.TrustedCA = ""
		}, Status: check.NotApplicable, Says: "EA-404"},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
		}, Status: check.NotApplicable, Says: "EA-307"},
		controlplane.NoConnection,
	)
}
