package config

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func anonymous() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-427", Title: "The API server takes no anonymous requests", Severity: check.Low,
		Why:   "anonymous callers have the rights of system:anonymous and system:unauthenticated: with RBAC health and version only, unless a binding gives them more",
		Reads: "anonymous in the file of --authentication-config, as it was when the API server started; else --anonymous-auth (on by default), and --authorization-mode, with which it may be off",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeAnonymous),
	}
}

func judgeAnonymous(s apiServer) check.Result {
	evidence := s.given("anonymous-auth", "authentication-config", "authorization-mode")
	open, why := s.anonymous()
	if why != "" {
		return with(check.Unevaluated("", why, "run etcdaudit as root; where the API server would refuse the file, correct it; where it is newer than the process, restart the API servers, one at a time"), evidence)
	}
	said, rights := "anonymous requests are taken", ", with the rights that the authorizers give them"
	switch {
	case !open.Enabled:
		return with(check.Passed("", "anonymous requests are not taken, by "+s.saysOfAnonymous()), evidence)
	case len(open.Paths) > 0:
		said += " at " + join(open.Paths)
		if !slices.ContainsFunc(open.Paths, func(p string) bool { return !health(p) }) {
			return with(check.Passed("", said+" only"), evidence)
		}
	}
	return with(check.Warned("", said+rights, s.closing()), evidence)
}

// anonymous says which anonymous requests the API server takes, or why that is not known
// (k8s.io/kubernetes pkg/kubeapiserver/options/authentication.go, ToAuthenticationConfig and
// ApplyAuthorization).
func (s apiServer) anonymous() (open facts.Anonymous, why string) {
	f := s.Authentication
	_, flag := s.Config.Given["anonymous-auth"]
	switch {
	case f != nil && f.Err != "":
		return open, f.Path + ": " + f.Err
	case f != nil && s.Process != nil && !s.Process.Started.IsZero() && s.host.Live && s.Files[f.Path].WrittenAfter(s.Process.Started):
		return open, f.Path + " was changed after the API server started, which reads anonymous at its start only"
	case f != nil && f.Anonymous != nil && flag:
		return open, "the API server would not start with --anonymous-auth beside anonymous in " + f.Path
	case f != nil && f.Anonymous != nil:
		return *f.Anonymous, ""
	}
	return facts.Anonymous{Enabled: s.Config.AnonymousAuth && !s.authorizes(apiserverconfig.AlwaysAllow)}, ""
}

// saysOfAnonymous names what turns anonymous requests off.
func (s apiServer) saysOfAnonymous() string {
	switch {
	case s.Authentication != nil && s.Authentication.Anonymous != nil:
		return s.Authentication.Path
	case !s.Config.AnonymousAuth:
		return "--anonymous-auth=false"
	}
	return "--authorization-mode AlwaysAllow, which turns them off"
}

func (s apiServer) closing() string {
	const limit = "anonymous with enabled: true and conditions for /livez, /readyz and /healthz"
	if s.Authentication != nil && s.Authentication.Anonymous != nil {
		return "limit them to health checks: in " + s.Authentication.Path + " " + limit + ", and restart the API servers, one at a time"
	}
	return "limit them to health checks: an AuthenticationConfiguration (--authentication-config) with " + limit + "; or " + fix.APIServer(s.host, s.APIServer, "anonymous-auth=false") + " once no probe needs it"
}

// health reports whether a path is that of a health check.
func health(path string) bool {
	return slices.ContainsFunc([]string{"/healthz", "/livez", "/readyz"}, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}
