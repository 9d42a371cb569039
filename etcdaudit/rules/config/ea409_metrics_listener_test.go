package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestMetricsListener(t *testing.T) {
	controlplane.Run(t, "EA-409",
		controlplane.Case{Name: "kubeadm's own, on loopback", Status: check.Pass, Says: "from this node"},
		controlplane.Case{Name: "for the network, as guides of monitoring ask for", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{"http://0.0.0.0:2381"}
		}, Status: check.Warn, Says: "keys and values are not there", Fix: "--listen-metrics-urls=http://127.0.0.1:2381"},
		controlplane.Case{Name: "over https it takes CA and certificate of clients", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{"https://0.0.0.0:2381"}
		}, Status: check.Pass, Says: "or with a certificate"},
		controlplane.Case{Name: "over https without a CA", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{"https://0.0.0.0:2381"}
			n.Etcd().Config.Client.TrustedCA, n.Etcd().Config.Client.ClientCertAuth = "", false
		}, Status: check.Warn, Says: "https://0.0.0.0:2381"},
		controlplane.Case{Name: "RKE2", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{"http://0.0.0.0:2381"}
			n.Facts.Host.Setup.Kind = facts.RKE2
		}, Status: check.Warn, Fix: "in /etc/rancher/rke2/config.yaml remove etcd-expose-metrics"},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{}
		}, Status: check.NotApplicable, Says: "at the addresses for clients"},
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
