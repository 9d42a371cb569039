package config

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func anonymous() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-427", Title: "The API server takes no anonymous requests", Severity: check.Low,
		Why:   "anonymous callers have the rights of system:anonymous and system:unauthenticated: with RBAC health and version only, unless a binding gives them more",
		Reads: "--anonymous-auth (on by default), --authentication-config and --authorization-mode",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeAnonymous),
	}
}

func judgeAnonymous(s apiServer) check.Result {
	evidence := s.given("anonymous-auth", "authentication-config", "authorization-mode")
	switch c := s.Config; {
	case c.AuthenticationConfig != "":
		r := check.Unevaluated("", "the AuthenticationConfiguration may decide, and its content is not read: "+c.AuthenticationConfig, "look for anonymous in it: enabled, and on which paths")
		r.Expected = true
		return with(r, evidence)
	case !c.AnonymousAuth:
		return with(check.Passed("", "--anonymous-auth=false"), evidence)
	case s.authorizes("AlwaysAllow") || len(c.Given["authorization-mode"]) == 0 && len(c.Given["authorization-config"]) == 0:
		return with(check.Passed("", "off, because the API server does not take anonymous requests where it allows everything to everyone"), evidence)
	}
	return with(check.Warned("", "anonymous requests are taken, with the rights that RBAC gives them", "limit them to health checks: an AuthenticationConfiguration (--authentication-config) with anonymous and conditions for /livez, /readyz and /healthz; or "+fix.APIServer(s.host, s.APIServer, "anonymous-auth=false")+" once no probe needs it"), evidence)
}
