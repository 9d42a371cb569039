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
		controlplane.Case{Name: "no API server is on the node", Change: func(n *controlplane.Node) {
			n.Facts.Host.APIServers, n.Facts.Host.Setup.Visit = nil, []string{"kube-apiserver: 192.0.2.1"}
		}, Status: check.NotEvaluated, Says: "no API server is on this node", Fix: "192.0.2.1"},
		controlplane.Case{Name: "the API server would not start", Change: func(n *controlplane.Node) {
			n.APIServer().Config.Refused = "unknown shorthand flag"
		}, Status: check.NotEvaluated, Says: "EA-431"},
		controlplane.Case{Name: "no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Status: check.NotEvaluated, Says: "no node was read", Fix: "etcdaudit host"},
	)
}
