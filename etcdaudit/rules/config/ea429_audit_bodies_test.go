package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestAuditBodies(t *testing.T) {
	controlplane.Run(t, "EA-429",
		controlplane.Case{Name: "metadata only", Status: check.Pass, Says: "without their contents"},
		controlplane.Case{Name: "answers of reads", Change: func(n *controlplane.Node) {
			n.APIServer().Audit.Levels[0].Level = "RequestResponse"
		}, Status: check.Fail, Says: "get, list, watch at RequestResponse (rule 2)", Fix: "level: Metadata"},
		controlplane.Case{Name: "requests of writes", Change: func(n *controlplane.Node) {
			n.APIServer().Audit.Levels[1].Level = "Request"
		}, Status: check.Fail, Says: "create, update, patch at Request"},
		controlplane.Case{Name: "requests of reads hold no Secret", Change: func(n *controlplane.Node) {
			n.APIServer().Audit.Levels[0].Level = "Request"
		}, Status: check.Pass},
		controlplane.Case{Name: "answers of deletions", Change: func(n *controlplane.Node) {
			n.APIServer().Audit.Levels[2].Level = "RequestResponse"
		}, Status: check.Fail, Says: "delete"},
		controlplane.Case{Name: "not readable", Change: func(n *controlplane.Node) {
			n.APIServer().Audit.Err = "permission denied"
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "a policy that says nothing that is understood", Change: func(n *controlplane.Node) {
			n.APIServer().Audit.Levels = nil
		}, Status: check.NotEvaluated, Says: "is not known"},
		controlplane.Case{Name: "no policy", Change: func(n *controlplane.Node) {
			n.APIServer().Audit = nil
		}, Status: check.NotApplicable, Says: "nothing is recorded"},
		controlplane.Case{Name: "no log and no webhook", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AuditLog = ""
		}, Status: check.NotApplicable, Says: "no log and no webhook"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
