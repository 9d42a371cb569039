package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestEtcdAdvisories(t *testing.T) {
	controlplane.Run(t, "EA-320",
		controlplane.Case{Name: "the newest", Target: "etcd 3.7.3", Status: check.Pass, Says: "no advisory that was known on"},
		controlplane.Case{Name: "one that is old", Change: func(n *controlplane.Node) {
			n.Client().Version, n.Etcd().Process.Version = "3.5.10", "3.5.10"
		}, Status: check.Fail, Says: "CVE-2026-33413", Fix: "upgrade to"},
		controlplane.Case{Name: "two versions", Change: func(n *controlplane.Node) {
			n.Etcd().Process.Version = "3.6.0"
		}, Target: "3.7.3", Status: check.Pass},
		controlplane.Case{Name: "no version that can be read", Change: func(n *controlplane.Node) {
			n.Client().Version, n.Etcd().Process.Version = "unknown", "unknown"
		}, Status: check.NotEvaluated, Says: "is no version"},
		controlplane.Case{Name: "no version was seen", Change: func(n *controlplane.Node) {
			n.Client().Version, n.Etcd().Process.Version = "", ""
		}, Status: check.NotEvaluated, Says: "no version of etcd was seen"},
	)
}
