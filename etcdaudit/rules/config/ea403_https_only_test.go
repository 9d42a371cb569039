package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestHTTPSOnly(t *testing.T) {
	controlplane.Run(t, "EA-403",
		controlplane.Case{Name: "https addresses", Status: check.Pass, Says: "https://127.0.0.1:2379, https://192.0.2.10:2379"},
		controlplane.Case{Name: "an http address beside certificates", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"https://192.0.2.10:2379", "http://0.0.0.0:4001"}
		}, Status: check.Fail, Says: "plaintext at http://0.0.0.0:4001; certificate and client-cert-auth have no effect there", Fix: "/etc/kubernetes/manifests/etcd.yaml set --listen-client-urls=https://"},
		controlplane.Case{Name: "the default without any setting", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"http://localhost:2379"}
			n.Etcd().Config.Client = etcdconfig.TLS{}
		}, Status: check.Fail, Says: "plaintext at http://localhost:2379", Fix: "--client-cert-auth=true"},
		controlplane.Case{Name: "in a configuration file", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.ListenClient = []string{"https://192.0.2.10:2379", "http://0.0.0.0:4001"}
		}, Status: check.Fail, Fix: "in /etc/etcd/etcd.conf.yaml set listen-client-urls: https://"},
		controlplane.Case{Name: "the address for HTTP alone", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClientHTTP = []string{"http://192.0.2.10:2382"}
		}, Status: check.Fail, Says: "http://192.0.2.10:2382"},
		controlplane.Case{Name: "k3s takes no argument for it", Change: func(n *controlplane.Node) {
			n.Facts.Host.Setup.Kind = facts.K3s
			n.Etcd().ConfigFile = "/var/lib/rancher/k3s/server/db/etcd/config"
			n.Etcd().Config.ListenClient = []string{"https://192.0.2.10:2379", "http://0.0.0.0:4001"}
		}, Status: check.Fail, Fix: "k3s writes this setting itself"},
		controlplane.Case{Name: "a unix socket", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"unix:///run/etcd.sock"}
		}, Status: check.Pass, Says: "unix:///run/etcd.sock"},
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
