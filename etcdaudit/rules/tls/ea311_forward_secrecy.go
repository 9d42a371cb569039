package tls

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
	"github.com/sealproof/sealproof/internal/check"
)

func forwardSecrecy() rule {
	return rule{
		ID: "EA-311", Title: "Every key exchange has forward secrecy", Severity: check.Medium,
		Why:   "without it the recorded traffic of years can be read by whoever gets the server's private key once",
		Reads: "the key exchange of each cipher suite that an address accepts",
		Needs: needs{speaksTLS}, Run: one(judgeForwardSecrecy),
	}
}

func judgeForwardSecrecy(a at) check.Result {
	all := served(a.l.Served)
	evidence := a.offered("suites: " + strings.Join(all, ", "))
	without := slices.DeleteFunc(slices.Clone(all), suites.Forward)
	if len(without) > 0 {
		return with(check.Failed("", "without forward secrecy: "+strings.Join(without, ", "), a.chooseSuites()), evidence)
	}
	if r, ok := a.enumerated(); !ok {
		return with(r, evidence)
	}
	if len(all) == 0 {
		return with(check.Unevaluated("", "no suite came up, though all were tried", ""), evidence)
	}
	return with(check.Passed("", "all of "+count(len(all), "suite")), evidence)
}
