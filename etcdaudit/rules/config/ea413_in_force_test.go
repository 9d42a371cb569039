package config_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestInForce(t *testing.T) {
	controlplane.Run(t, "EA-413",
		controlplane.Case{Name: "nothing is newer", Status: check.Pass, Says: "nothing on disk is newer"},
		controlplane.Case{Name: "the CA was changed while etcd runs", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[n.Etcd().Config.Client.TrustedCA]
			file.Changed = controlplane.Started.Add(time.Minute)
			n.Etcd().Files[n.Etcd().Config.Client.TrustedCA] = file
		}, Status: check.Warn, Says: "changed since etcd started: /etc/kubernetes/pki/etcd/ca.crt", Fix: "one at a time"},
		controlplane.Case{Name: "a certificate is read at each handshake", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[n.Etcd().Config.Client.Cert]
			file.Changed = controlplane.Started.Add(time.Minute)
			n.Etcd().Files[n.Etcd().Config.Client.Cert] = file
		}, Status: check.Pass},
		controlplane.Case{Name: "the configuration file was changed", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			file := controlplane.File(0o600)
			file.Changed = controlplane.Started.Add(time.Minute)
			n.Etcd().Files[n.Etcd().ConfigFile] = file
		}, Status: check.Warn, Says: "/etc/etcd/etcd.conf.yaml"},
		controlplane.Case{Name: "a new start would use other settings", Change: func(n *controlplane.Node) {
			next := n.Etcd().Config
			next.Settings = append([]etcdconfig.Setting{{Name: "auto-tls", Value: "true"}}, next.Settings[1:]...)
			n.Etcd().Manifest = &next
		}, Status: check.Warn, Says: "a new start would change auto-tls, listen-client-urls"},
		controlplane.Case{Name: "a file without a time", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.TrustedCA = "/pki/peer-ca.crt"
		}, Status: check.NotEvaluated, Says: "/pki/peer-ca.crt", Expected: true},
		controlplane.Case{Name: "a process that no unit or manifest is known of, with files", Change: func(n *controlplane.Node) {
			n.Etcd().Source = "process 1201"
		}, Status: check.Pass},
		controlplane.Case{Name: "a process that no unit or manifest is known of, without files", Change: func(n *controlplane.Node) {
			n.Etcd().Source = "process 1201"
			n.Etcd().Config.Client.TrustedCA, n.Etcd().Config.Peer.TrustedCA = "", ""
		}, Status: check.NotEvaluated, Says: "nothing on disk can be compared", Expected: true},
		controlplane.Case{Name: "a unit without files that starts the same", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.TrustedCA, n.Etcd().Config.Peer.TrustedCA = "", ""
		}, Status: check.Pass},
		controlplane.Case{Name: "a recorded tree", Change: func(n *controlplane.Node) {
			n.Facts.Host.Live = false
		}, Status: check.NotEvaluated, Says: "nothing says that they are in force", Expected: true},
		controlplane.Case{Name: "no process", Change: func(n *controlplane.Node) {
			n.Etcd().Process = nil
		}, Status: check.NotEvaluated, Says: "no process"},
		controlplane.FileUnread,
		controlplane.NoNode,
		controlplane.Kine,
	)
}
