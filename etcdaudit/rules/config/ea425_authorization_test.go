package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

const authz = "/etc/kubernetes/authz.yaml"

// authorizes gives the API server an AuthorizationConfiguration.
func authorizes(n *controlplane.Node, types ...string) {
	n.APIServer().Config.AuthorizationModes, n.APIServer().Config.AuthorizationConfig = nil, authz
	n.APIServer().Config.Given = map[string][]string{"authorization-config": {authz}}
	n.APIServer().Authorization = &facts.AuthorizationFile{Path: authz, Types: types}
}

func TestAuthorization(t *testing.T) {
	controlplane.Run(t, "EA-425",
		controlplane.Case{Name: "as kubeadm has it", Status: check.Pass, Says: "Node, RBAC by --authorization-mode"},
		controlplane.Case{Name: "no flag", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AuthorizationModes = []string{"AlwaysAllow"}
			n.APIServer().Config.Given = nil
		}, Status: check.Fail, Says: "the default without", Fix: "in /etc/kubernetes/manifests/kube-apiserver.yaml set --authorization-mode=Node,RBAC"},
		controlplane.Case{Name: "beside others", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AuthorizationModes = []string{"Webhook", "RBAC", "AlwaysAllow"}
		}, Status: check.Fail, Says: "Webhook, RBAC, AlwaysAllow", Fix: "--authorization-mode=Webhook,RBAC"},
		controlplane.Case{Name: "a file without it", Change: func(n *controlplane.Node) {
			authorizes(n, "Node", "RBAC")
		}, Status: check.Pass, Says: "Node, RBAC by " + authz},
		controlplane.Case{Name: "a file with it turns off no anonymous requests", Change: func(n *controlplane.Node) {
			authorizes(n, "RBAC", "AlwaysAllow")
		}, Status: check.Fail, Says: "anonymous requests are taken too", Fix: "in " + authz + " leave the authorizers RBAC"},
		controlplane.Case{Name: "a file that cannot be read", Change: func(n *controlplane.Node) {
			authorizes(n)
			n.APIServer().Authorization.Err = "permission denied"
		}, Status: check.NotEvaluated, Says: authz + ": permission denied", Fix: "as root"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
