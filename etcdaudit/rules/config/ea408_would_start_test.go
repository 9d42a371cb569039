package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestWouldStart(t *testing.T) {
	controlplane.Run(t, "EA-408",
		controlplane.Case{Name: "nothing is refused", Status: check.Pass, Says: "nothing in it"},
		controlplane.Case{Name: "refused, and none runs", Change: func(n *controlplane.Node) {
			n.Etcd().Process = nil
			n.Etcd().Config.Refused = "TLS key/cert must be provided"
		}, Status: check.Fail, Says: "TLS key/cert must be provided", Fix: "correct"},
		controlplane.Case{Name: "refused, and one runs", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Refused = "unknown flag"
		}, Status: check.NotEvaluated, Says: "etcd runs, although"},
		controlplane.Case{Name: "a new start would be refused", Change: func(n *controlplane.Node) {
			n.Etcd().Manifest = &etcdconfig.Effective{Refused: "cipher-suites is no list"}
		}, Status: check.Fail, Says: "would not start again: cipher-suites"},
		controlplane.Case{Name: "a new start is not known", Change: func(n *controlplane.Node) {
			n.Etcd().Manifest = &etcdconfig.Effective{NotEvaluated: "permission denied"}
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
