package config_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

const authn = "/etc/kubernetes/authn.yaml"

// authenticates gives the API server an AuthenticationConfiguration.
func authenticates(n *controlplane.Node, a *facts.Anonymous) {
	n.APIServer().Config.AuthenticationConfig = authn
	n.APIServer().Authentication = &facts.AuthenticationFile{Path: authn, Anonymous: a}
}

func TestAnonymous(t *testing.T) {
	controlplane.Run(t, "EA-427",
		controlplane.Case{Name: "the default", Status: check.Warn, Says: "with the rights that the authorizers give them", Fix: "--anonymous-auth=false"},
		controlplane.Case{Name: "turned off", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AnonymousAuth = false
		}, Status: check.Pass, Says: "--anonymous-auth=false"},
		controlplane.Case{Name: "without authorization there are none", Change: func(n *controlplane.Node) {
			n.APIServer().Config.AuthorizationModes = []string{"AlwaysAllow"}
		}, Status: check.Pass, Says: "AlwaysAllow, which turns them off"},
		controlplane.Case{Name: "turned off in a file", Change: func(n *controlplane.Node) {
			authenticates(n, &facts.Anonymous{})
		}, Status: check.Pass, Says: authn},
		controlplane.Case{Name: "a file that says nothing of them", Change: func(n *controlplane.Node) {
			authenticates(n, nil)
			n.APIServer().Config.AnonymousAuth = false
		}, Status: check.Pass, Says: "--anonymous-auth=false"},
		controlplane.Case{Name: "health checks only", Change: func(n *controlplane.Node) {
			authenticates(n, &facts.Anonymous{Enabled: true, Paths: []string{"/livez", "/readyz/ping"}})
		}, Status: check.Pass, Says: "at /livez, /readyz/ping only"},
		controlplane.Case{Name: "another path", Change: func(n *controlplane.Node) {
			authenticates(n, &facts.Anonymous{Enabled: true, Paths: []string{"/livez", "/livezz"}})
		}, Status: check.Warn, Says: "at /livez, /livezz", Fix: "in " + authn},
		controlplane.Case{Name: "AlwaysAllow turns off no anonymous requests that a file turns on", Change: func(n *controlplane.Node) {
			authenticates(n, &facts.Anonymous{Enabled: true})
			n.APIServer().Config.AuthorizationModes = []string{"AlwaysAllow"}
		}, Status: check.Warn, Says: "anonymous requests are taken,"},
		controlplane.Case{Name: "a file that cannot be read", Change: func(n *controlplane.Node) {
			authenticates(n, nil)
			n.APIServer().Authentication.Err = "permission denied"
		}, Status: check.NotEvaluated, Says: authn + ": permission denied"},
		controlplane.Case{Name: "a file that is newer than the process", Change: func(n *controlplane.Node) {
			authenticates(n, &facts.Anonymous{})
			n.APIServer().Files[authn] = facts.File{Changed: controlplane.Started.Add(time.Minute)}
		}, Status: check.NotEvaluated, Says: "changed after the API server started"},
		controlplane.Case{Name: "flag and file", Change: func(n *controlplane.Node) {
			authenticates(n, &facts.Anonymous{})
			n.APIServer().Config.Given["anonymous-auth"] = []string{"false"}
		}, Status: check.NotEvaluated, Says: "would not start with --anonymous-auth beside"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
