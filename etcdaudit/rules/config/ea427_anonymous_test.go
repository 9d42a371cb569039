package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestAnonymous(t *testing.T) {
	controlplane.Run(t, "EA-427",
		controlplane.Case{Name: "the default", Status: check.Warn, Says: "with the rights that RBAC gives them", Fix: "--anonymous-auth=false"},
		controlplane.Case{Name: "turned off", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AnonymousAuth = false
		}, Status: check.Pass, Says: "--anonymous-auth=false"},
		controlplane.Case{Name: "without authorization there are none", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Given["authorization-mode"] = []string{"AlwaysAllow"}
		}, Status: check.Pass, Says: "off"},
		controlplane.Case{Name: "an AuthenticationConfiguration", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AuthenticationConfig = "/etc/kubernetes/authn.yaml"
		}, Status: check.NotEvaluated, Says: "/etc/kubernetes/authn.yaml", Expected: true},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
