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
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
