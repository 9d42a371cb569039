package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestEtcdOverTLS(t *testing.T) {
	controlplane.Run(t, "EA-421",
		controlplane.Case{Name: "https, CA and certificate", Status: check.Pass, Says: "https://127.0.0.1:2379, with the CA"},
		controlplane.Case{Name: "plaintext", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds[0].Servers = []string{"http://127.0.0.1:2379"}
		}, Status: check.Fail, Says: "plaintext: http://127.0.0.1:2379", Fix: "/etc/kubernetes/manifests/kube-apiserver.yaml set --etcd-servers=https://"},
		controlplane.Case{Name: "plaintext, in capitals", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Etcds[0].Servers = []string{"HTTP://127.0.0.1:2379"}
		}, Status: check.Fail, Says: "plaintext: HTTP://127.0.0.1:2379"},
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
		controlplane.Managed,
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
