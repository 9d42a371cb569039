package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestAutoTLS(t *testing.T) {
	controlplane.Run(t, "EA-406",
		controlplane.Case{Name: "not set", Status: check.Pass, Says: "is not set"},
		controlplane.Case{Name: "set and in force", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client = etcdconfig.TLS{AutoTLS: true}
		}, Status: check.Fail, Says: "in force", Fix: "--auto-tls=false"},
		controlplane.Case{Name: "set and without effect, as k3s writes it", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.AutoTLS = true
		}, Status: check.Pass, Says: "set and not in force"},
		controlplane.Case{Name: "no https address", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"http://127.0.0.1:2379"}
		}, Status: check.NotApplicable, Says: "no https"},
		controlplane.Kine,
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
