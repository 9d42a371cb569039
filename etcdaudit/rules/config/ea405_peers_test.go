package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestPeers(t *testing.T) {
	controlplane.Run(t, "EA-405",
		controlplane.Case{Name: "a CA and peer-client-cert-auth", Status: check.Pass, Says: "https://192.0.2.10:2380, certificates of the CA in"},
		controlplane.Case{Name: "plaintext peers", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"http://192.0.2.10:2380"}
		}, Status: check.Fail, Says: "plaintext at http://192.0.2.10:2380", Fix: "--peer-client-cert-auth=true"},
		controlplane.Case{Name: "a single member's default", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"http://localhost:2380"}
		}, Status: check.Warn, Says: "from this node only"},
		controlplane.Case{Name: "an open https address beside plaintext for the node", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"http://127.0.0.1:2380", "https://192.0.2.10:2380"}
			n.Etcd().Config.Peer.TrustedCA, n.Etcd().Config.Peer.ClientCertAuth = "", false
		}, Status: check.Fail, Says: "no certificate is asked for at https://192.0.2.10:2380"},
		controlplane.Case{Name: "a guarded https address beside plaintext for the node", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"http://127.0.0.1:2380", "https://192.0.2.10:2380"}
		}, Status: check.Warn, Says: "plaintext at http://127.0.0.1:2380"},
		controlplane.Case{Name: "a socket before an https address", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"unix://peer.sock", "https://192.0.2.10:2380"}
		}, Status: check.Pass, Says: "certificates of the CA in"},
		controlplane.Case{Name: "a socket only", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"unix://peer.sock"}
		}, Status: check.Pass, Says: "a unix socket"},
		controlplane.Case{Name: "a socket with a path, which etcd leaves out", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"unix:///run/etcd-peer.sock", "https://192.0.2.10:2380"}
		}, Status: check.Warn, Says: "an abstract socket", Fix: "--listen-peer-urls=https://"},
		controlplane.Case{Name: "peer-auto-tls", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer = etcdconfig.TLS{AutoTLS: true}
		}, Status: check.Fail, Says: "peer-auto-tls", Fix: "--peer-auto-tls=false"},
		controlplane.Case{Name: "the client section's client-cert-auth is not that of peers", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.TrustedCA, n.Etcd().Config.Peer.ClientCertAuth = "", false
		}, Status: check.Fail, Says: "no certificate is asked for"},
		controlplane.Case{Name: "any public CA", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.TrustedCA = ""
		}, Status: check.Fail, Says: "system's roots"},
		controlplane.Case{Name: "in a configuration file", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Peer.TrustedCA, n.Etcd().Config.Peer.ClientCertAuth = "", false
		}, Status: check.Fail, Fix: "peer-transport-security.trusted-ca-file: CA"},
		controlplane.Case{Name: "no address", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = nil
		}, Status: check.NotEvaluated, Says: "no address for peers"},
		controlplane.Case{Name: "etcd is on other nodes", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds, n.Facts.Host.Setup.Visit = nil, []string{"etcd: 192.0.2.20"}
		}, Status: check.NotEvaluated, Says: "no etcd is on this node", Fix: "etcd: 192.0.2.20"},
		controlplane.Kine,
		controlplane.Managed,
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
