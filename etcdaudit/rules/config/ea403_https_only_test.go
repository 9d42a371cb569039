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
		controlplane.Case{Name: "by a variable, beside which a flag would stop etcd", Change: func(n *controlplane.Node) {
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Source = "/etc/systemd/system/etcd.service"
			n.Etcd().Config.ListenClient = []string{"http://0.0.0.0:2379"}
			n.Etcd().Config.Settings = []etcdconfig.Setting{{Name: "listen-client-urls", Value: "http://0.0.0.0:2379", Origin: etcdconfig.Origin{Kind: etcdconfig.Environment, Text: "ETCD_LISTEN_CLIENT_URLS"}}}
		}, Status: check.Fail, Fix: "set --advertise-client-urls=https://… and in its environment ETCD_LISTEN_CLIENT_URLS=https://… (set there already"},
		controlplane.Case{Name: "in a configuration file", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.ListenClient = []string{"https://192.0.2.10:2379", "http://0.0.0.0:4001"}
		}, Status: check.Fail, Fix: "in /etc/etcd/etcd.conf.yaml set listen-client-urls: https://"},
		controlplane.Case{Name: "the address for HTTP alone", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClientHTTP = []string{"http://192.0.2.10:2382"}
		}, Status: check.Fail, Says: "http://192.0.2.10:2382", Fix: "etcd.yaml set --listen-client-http-urls=https://…, and"},
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
		controlplane.Kine,
		controlplane.Managed,
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
