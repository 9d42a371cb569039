package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestTokenFile(t *testing.T) {
	controlplane.Run(t, "EA-428",
		controlplane.Case{Name: "none", Status: check.Pass, Says: "no such file"},
		controlplane.Case{Name: "one", Change: func(n *controlplane.Node) {
			n.APIServer().Config.TokenAuthFile = "/etc/kubernetes/tokens.csv"
		}, Status: check.Fail, Says: "/etc/kubernetes/tokens.csv", Fix: "remove --token-auth-file from /etc/kubernetes/manifests/kube-apiserver.yaml"},
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
