package tls

import (
	"github.com/sealproof/sealproof/etcdaudit/advisory"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func apiServerAdvisories() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-321", Title: "The API server's version has no known advisory about Secrets or access", Severity: check.Medium,
		Why:   "a caller who gets past the API server's authorization reads Secrets decrypted, however well they are stored",
		Reads: "the version in the API server's binary on the node, beside the advisories that this program was built with",
		Needs: []check.Need[facts.Facts]{need.Host}, Run: func(f facts.Facts) []check.Result {
			var found []running
			for _, s := range f.Host.APIServers {
				if s.Process != nil && s.Process.Version != "" {
					found = append(found, running{s.Name, s.Process.Version, s.Process.Executable})
				}
			}
			return judgeVersionsOf(advisory.APIServer, found)
		},
	}
}
