package config

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func noTokenFile() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-428", Title: "No user authenticates with a token from a file", Severity: check.High,
		Why:   "such tokens stand in plaintext on the disk and in backups of it, never end, and are withdrawn only with a restart",
		Reads: "--token-auth-file",
		Needs: []check.Need[apiServer]{accepted}, Run: one(func(s apiServer) check.Result {
			evidence := s.given("token-auth-file")
			if s.Config.TokenAuthFile != "" {
				return with(check.Failed("", "users are in "+s.Config.TokenAuthFile, "give these users certificates, OIDC or service accounts, then "+fix.Without(s.host, s.APIServer, "token-auth-file")), evidence)
			}
			return with(check.Passed("", "there is no such file"), evidence)
		}),
	}
}
