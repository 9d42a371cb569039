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
		controlplane.Case{Name: "kine in place of etcd", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds = nil
			n.APIServer().Config.Etcds[0].Servers = []string{"unix:///var/lib/rancher/k3s/server/kine.sock"}
		}, Status: check.NotApplicable, Says: "uses kine"},
		controlplane.Case{Name: "a managed control plane", Change: func(n *controlplane.Node) {
			n.Facts.Host.Setup = facts.Setup{Kind: facts.Managed, Fact: "a node of EKS", Ask: "ask AWS"}
		}, Status: check.NotEvaluated, Says: "a node of EKS", Fix: "ask AWS"},
		controlplane.Case{Name: "etcd would not start", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Refused = "TLS key/cert must be provided"
		}, Status: check.NotEvaluated, Says: "EA-408"},
		controlplane.Case{Name: "the configuration file could not be read", Change: func(n *controlplane.Node) {
			n.Etcd().Config.NotEvaluated = "etcd.conf.yaml: permission denied"
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Status: check.NotEvaluated, Says: "no node was read", Fix: "etcdaudit host"},
	)
}
