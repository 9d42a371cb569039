package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestNoDebug(t *testing.T) {
	controlplane.Run(t, "EA-412",
		controlplane.Case{Name: "neither is set", Status: check.Pass, Says: "neither"},
		controlplane.Case{Name: "enable-pprof", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Pprof = true
		}, Status: check.Warn, Says: "each holder", Fix: "--enable-pprof=false"},
		controlplane.Case{Name: "log-level=debug does the same", Change: func(n *controlplane.Node) {
			n.Etcd().Config.LogLevel = "debug"
		}, Status: check.Warn, Says: "each holder", Fix: "--log-level=info"},
		controlplane.Case{Name: "for everyone", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Pprof = true
			n.Etcd().Config.ListenClient = append(n.Etcd().Config.ListenClient, "http://0.0.0.0:4001")
		}, Status: check.Fail, Says: "without a certificate"},
		controlplane.Kine,
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
