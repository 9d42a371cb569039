package config

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func authorization() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-425", Title: "The API server does not allow everything to every user", Severity: check.High,
		Why:   "with the authorizer AlwaysAllow each user and each pod that is let in reads and changes all Secrets, whatever RBAC says",
		Reads: "--authorization-mode, which is AlwaysAllow where neither it nor --authorization-config is given, and the types of the authorizers in that file, which is read anew each minute",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeAuthorization),
	}
}

func judgeAuthorization(s apiServer) check.Result {
	evidence := s.given("authorization-mode", "authorization-config")
	types, from, _ := s.Authorizers()
	if f := s.Authorization; f != nil {
		if f.Err != "" {
			return with(check.Unevaluated("", f.Path+": "+f.Err, "run etcdaudit as root; where the file is refused, correct it: a running API server goes on with what it read before"), evidence)
		}
		evidence = append(evidence, check.Evidence{Source: f.Path, Seen: "authorizers: " + join(types)})
	}
	if !slices.Contains(types, apiserverconfig.AlwaysAllow) {
		return with(check.Passed("", join(types)+" by "+from), evidence)
	}
	said := "AlwaysAllow is among the authorizers of " + from + ": " + join(types)
	if len(s.Config.Given["authorization-mode"]) == 0 && s.Authorization == nil {
		said = "AlwaysAllow, the default without --authorization-mode and --authorization-config"
	}
	if open, why := s.anonymous(); why == "" && open.Enabled && len(open.Paths) == 0 {
		said += "; anonymous requests are taken too (EA-427), and may do everything"
	}
	return with(check.Failed("", said, s.authorizing(types)), evidence)
}

// authorizing says how to take AlwaysAllow out of the authorizers.
func (s apiServer) authorizing(types []string) string {
	others := slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == apiserverconfig.AlwaysAllow })
	if len(others) == 0 {
		others = []string{"Node", "RBAC"}
	}
	const first = "give every user and service account the roles that it needs, then "
	if s.Authorization != nil {
		return first + "in " + s.Authorization.Path + " leave the authorizers " + join(others)
	}
	return first + fix.APIServer(s.host, s.APIServer, "authorization-mode="+strings.Join(others, ","))
}
