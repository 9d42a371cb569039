package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestFlagsCount(t *testing.T) {
	controlplane.Run(t, "EA-431",
		controlplane.Case{Name: "all are known", Status: check.Pass, Says: "1 flags"},
		controlplane.Case{Name: "some are not", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Unknown = []string{"gone-since-long"}
		}, Status: check.Warn, Says: "gone-since-long"},
		controlplane.Case{Name: "refused, and none runs", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Refused, n.APIServer().Process = "flag needs an argument", nil
		}, Status: check.Fail, Says: "flag needs an argument"},
		controlplane.Case{Name: "refused, and one runs", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Refused = "flag needs an argument"
		}, Status: check.NotEvaluated, Says: "it runs, although"},
		controlplane.NoAPIServer,
		controlplane.NoNode,
	)
}
