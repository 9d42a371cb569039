package config

import (
	"fmt"

	"github.com/sealproof/sealproof/internal/check"
)

func flagsCount() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-431", Title: "The API server knows all its flags", Severity: check.Low,
		Why:   "an API server does not start with a flag that it does not know, which is often first noticed in an upgrade",
		Reads: "the API server's command line, parsed with its own flag package",
		Run: one(func(s apiServer) check.Result {
			evidence := []check.Evidence{{Source: s.Source, Seen: fmt.Sprintf("%d flags, %d of them unknown", len(s.Config.Given), len(s.Config.Unknown))}}
			switch c := s.Config; {
			case c.Refused != "" && s.Process != nil:
				return with(check.Unevaluated("", "it runs, although as they were read here its flags would be refused: "+c.Refused, "compare with the API server's own log of its start, and report the difference"), evidence)
			case c.Refused != "":
				return with(check.Failed("", "refused: "+c.Refused, "correct the flag that is named"), evidence)
			case len(c.Unknown) > 0:
				return with(check.Warned("", "not known, and perhaps of another release: "+join(c.Unknown), "compare with kube-apiserver --help of the release that runs, and remove what it does not list before an upgrade"), evidence)
			}
			return with(check.Passed("", fmt.Sprintf("%d flags", len(s.Config.Given))), evidence)
		}),
	}
}
