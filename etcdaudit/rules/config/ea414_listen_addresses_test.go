package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestListenAddresses(t *testing.T) {
	client := func(urls ...string) func(*controlplane.Node) {
		return func(n *controlplane.Node) { n.Etcd().Config.ListenClient = urls }
	}
	const own, name = "https://" + controlplane.Address + ":2379", "https://etcd-1.example.com:2379"
	named := func(listen string) func(*controlplane.Node) {
		return func(n *controlplane.Node) {
			c := &n.Etcd().Config
			c.AdvertiseClient, c.AdvertisePeer, c.ListenClient, c.ListenPeer = []string{name}, []string{name}, []string{listen}, []string{"https://127.0.0.1:2380"}
		}
	}
	controlplane.Run(t, "EA-414",
		controlplane.Case{Name: "kubeadm's", Status: check.Pass, Says: "loopback"},
		controlplane.Case{Name: "every address", Change: client("https://0.0.0.0:2379"), Status: check.Warn, Says: "on every address of the node: https://0.0.0.0:2379", Fix: "--listen-client-urls=https://127.0.0.1:2379," + own},
		controlplane.Case{Name: "every address of IPv6", Change: client(own, "https://[::]:2379"), Status: check.Warn, Says: "[::]"},
		controlplane.Case{Name: "peers at every address", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"https://0.0.0.0:2380"}
		}, Status: check.Warn, Says: "0.0.0.0:2380", Fix: "--listen-peer-urls=https://" + controlplane.Address + ":2380"},
		controlplane.Case{Name: "another address", Change: client(own, "https://198.51.100.7:2379"), Status: check.Warn, Says: "not known by: https://198.51.100.7:2379"},
		controlplane.Case{Name: "a socket, and localhost", Change: client(own, "unixs:///run/etcd.sock", "https://localhost:2379"), Status: check.Pass},
		controlplane.Case{Name: "metrics everywhere", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{"http://0.0.0.0:2381"}
		}, Status: check.Warn, Says: "2381", Fix: "listen-metrics-urls=http://127.0.0.1:2381"},
		controlplane.Case{Name: "known by a name", Change: named(own), Status: check.NotEvaluated, Says: "whether " + own + " is an address of etcd-1.example.com"},
		controlplane.Case{Name: "known by a name, on loopback", Change: named("https://127.0.0.1:2379"), Status: check.Pass},
		controlplane.Case{Name: "known by a name, everywhere", Change: named("https://0.0.0.0:2379"), Status: check.Warn, Says: "every address", Fix: "--listen-client-urls=https://127.0.0.1:2379,https://ADDRESS:2379"},
		controlplane.Case{Name: "known by a name, at two ports", Change: func(n *controlplane.Node) {
			named("https://0.0.0.0:2379")(n)
			n.Etcd().Config.ListenClient = append(n.Etcd().Config.ListenClient, "https://0.0.0.0:4001")
		}, Status: check.Warn, Fix: "--listen-client-urls=https://127.0.0.1:2379,https://ADDRESS:2379,https://127.0.0.1:4001,https://ADDRESS:4001"},
		controlplane.Case{Name: "peers of a name", Change: func(n *controlplane.Node) {
			named("https://127.0.0.1:2379")(n)
			n.Etcd().Config.ListenPeer = []string{"https://[::]:2390"}
		}, Status: check.Warn, Fix: "--listen-peer-urls=https://ADDRESS:2390"},
		controlplane.Case{Name: "another network beside a socket", Change: client("unixs:///run/etcd.sock", "https://198.51.100.7:2379", own), Status: check.Warn, Fix: "--listen-client-urls=unixs:///run/etcd.sock,https://127.0.0.1:2379," + own},
		controlplane.Case{Name: "no etcd", Change: func(n *controlplane.Node) { n.Facts.Host.Etcds, n.Facts.Host.Setup.Kind = nil, facts.Bare }, Status: check.NotEvaluated, Says: "no etcd"},
		controlplane.FileUnread,
		controlplane.EtcdRefuses,
		controlplane.NoNode,
	)
}
