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
		controlplane.Case{Name: "kine in place of etcd", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds = nil
			n.APIServer().Config.Etcds[0].Servers = []string{"unix:///var/lib/rancher/k3s/server/kine.sock"}
		}, Status: check.NotApplicable, Says: "uses kine"},
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
