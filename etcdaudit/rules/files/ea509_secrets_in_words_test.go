package files_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestSecretsInWords(t *testing.T) {
	of := func(found ...facts.Word) func(*controlplane.Node) {
		return func(n *controlplane.Node) { n.Facts.Host.Looked[1].Found = found }
	}
	variable := facts.Word{Name: "ETCDCTL_PASSWORD", Why: "its name"}
	controlplane.Run(t, "EA-509",
		controlplane.Case{Name: "none", Target: "process 1201", Status: check.Pass, Says: "no name of a secret"},
		controlplane.Case{Name: "a variable", Change: of(variable), Target: "process 1201", Status: check.Warn, Says: "ETCDCTL_PASSWORD", Fix: "as a file"},
		controlplane.Case{Name: "an argument beside it", Change: of(variable, facts.Word{Argument: true, Name: "--token", Why: "its name"}), Target: "process 1201", Status: check.Fail, Says: "each user of the node", Fix: "change the secret"},
		controlplane.Case{Name: "an environment that may not be read", Change: func(n *controlplane.Node) {
			n.Facts.Host.Looked[1].Missing = "its environment may not be read"
		}, Target: "process 1201", Status: check.NotEvaluated, Says: "may not be read"},
		controlplane.Case{Name: "the same with a secret among the arguments", Change: func(n *controlplane.Node) {
			of(facts.Word{Argument: true, Name: "--token"})(n)
			n.Facts.Host.Looked[1].Missing = "its environment may not be read"
		}, Target: "process 1201", Status: check.Fail, Says: "--token"},
		controlplane.Case{Name: "nothing was read", Change: func(n *controlplane.Node) { n.Facts.Host.Looked = nil }, Status: check.NotEvaluated, Says: "neither a process"},
		controlplane.NoNode,
	)
}
