package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestAPIServerAdvisories(t *testing.T) {
	controlplane.Run(t, "EA-321",
		controlplane.Case{Name: "the newest", Status: check.Pass, Says: "no advisory"},
		controlplane.Case{Name: "one that is old", Change: func(n *controlplane.Node) {
			n.APIServer().Process.Version = "v1.22.0"
		}, Status: check.Fail, Says: "CVE-", Fix: "upgrade to"},
		controlplane.Case{Name: "no process", Change: func(n *controlplane.Node) {
			n.APIServer().Process = nil
		}, Status: check.NotEvaluated, Says: "no version of kube-apiserver"},
		controlplane.Case{Name: "no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Status: check.NotEvaluated, Says: "no node was read"},
	)
}
