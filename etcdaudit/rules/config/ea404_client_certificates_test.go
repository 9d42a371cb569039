package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestClientCertificates(t *testing.T) {
	controlplane.Run(t, "EA-404",
		controlplane.Case{Name: "a CA and client-cert-auth", Status: check.Pass, Says: "demanded, of the CA in /etc/kubernetes/pki/etcd/ca.crt"},
		controlplane.Case{Name: "a CA alone is enough", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.ClientCertAuth = false
		}, Status: check.Pass, Says: "although client-cert-auth is not set"},
		controlplane.Case{Name: "client-cert-auth alone takes any public CA", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.TrustedCA = ""
		}, Status: check.Fail, Says: "any CA of the system's roots", Fix: "--trusted-ca-file=CA"},
		controlplane.Case{Name: "neither", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.TrustedCA, n.Etcd().Config.Client.ClientCertAuth = "", false
		}, Status: check.Fail, Says: "not asked for"},
		controlplane.Case{Name: "neither, in a configuration file", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Client.TrustedCA, n.Etcd().Config.Client.ClientCertAuth = "", false
		}, Status: check.Fail, Fix: "client-transport-security.trusted-ca-file: CA, client-transport-security.client-cert-auth: true"},
		controlplane.Case{Name: "auto-tls replaces the CA", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client = etcdconfig.TLS{AutoTLS: true, TrustedCA: "ca.pem", ClientCertAuth: true}
		}, Status: check.Fail, Says: "auto-tls replaces"},
		controlplane.Case{Name: "auto-tls beside certificate files, as k3s writes it", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.AutoTLS = true
		}, Status: check.Pass},
		controlplane.Case{Name: "plaintext only", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"http://0.0.0.0:2379"}
		}, Status: check.Fail, Says: "without TLS", Fix: "EA-403"},
		controlplane.Case{Name: "plaintext beside TLS", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"https://192.0.2.10:2379", "http://0.0.0.0:4001"}
		}, Status: check.Fail, Says: "at http://0.0.0.0:4001", Fix: "EA-403"},
		controlplane.Case{Name: "a socket only", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"unix:///run/etcd.sock"}
		}, Status: check.NotApplicable, Says: "no https address"},
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
