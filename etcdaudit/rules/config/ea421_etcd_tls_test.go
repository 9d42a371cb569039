package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestEtcdOverTLS(t *testing.T) {
	controlplane.Run(t, "EA-421",
		controlplane.Case{Name: "https, CA and certificate", Status: check.Pass, Says: "https://127.0.0.1:2379, with the CA"},
		controlplane.Case{Name: "plaintext", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds[0].Servers = []string{"http://127.0.0.1:2379"}
		}, Status: check.Fail, Says: "plaintext: http://127.0.0.1:2379", Fix: "/etc/kubernetes/manifests/kube-apiserver.yaml set --etcd-servers=https://"},
		controlplane.Case{Name: "events in an etcd without TLS", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds = append(n.APIServer().Config.Etcds, apiserverconfig.Etcd{Resource: "/events", Servers: []string{"http://127.0.0.1:4002"}})
		}, Status: check.Fail, Says: "/events at http://127.0.0.1:4002"},
		controlplane.Case{Name: "no CA", Change: func(n *controlplane.Node) {
			n.APIServer().Config.EtcdCA = ""
		}, Status: check.Fail, Says: "no --etcd-cafile", Fix: "--etcd-cafile=CA"},
		controlplane.Case{Name: "no certificate", Change: func(n *controlplane.Node) {
			n.APIServer().Config.EtcdCert = ""
		}, Status: check.Fail, Says: "no client certificate", Fix: "--etcd-certfile=CERT"},
		controlplane.Case{Name: "k3s's socket", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds[0].Servers = []string{"unix:///var/lib/rancher/k3s/server/kine.sock"}
			n.APIServer().Config.EtcdCA = ""
		}, Status: check.Pass, Says: "unix socket"},
		controlplane.Case{Name: "no etcd is named", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds = nil
		}, Status: check.NotEvaluated, Says: "no etcd is named"},
		controlplane.Case{Name: "a managed control plane", Change: func(n *controlplane.Node) {
			n.Facts.Host.Setup = facts.Setup{Kind: facts.Managed, Fact: "a node of EKS", Ask: "ask AWS"}
		}, Status: check.NotEvaluated, Says: "a node of EKS", Fix: "ask AWS"},
		controlplane.Case{Name: "no API server is on the node", Change: func(n *controlplane.Node) {
			n.Facts.Host.APIServers, n.Facts.Host.Setup.Visit = nil, []string{"kube-apiserver: 192.0.2.1"}
		}, Status: check.NotEvaluated, Says: "no API server is on this node", Fix: "192.0.2.1"},
		controlplane.Case{Name: "the API server would not start", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Refused = "unknown shorthand flag"
		}, Status: check.NotEvaluated, Says: "EA-431"},
		controlplane.Case{Name: "no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Status: check.NotEvaluated, Says: "no node was read", Fix: "etcdaudit host"},
	)
}
