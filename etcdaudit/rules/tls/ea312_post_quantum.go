package tls

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
	"github.com/sealproof/sealproof/internal/check"
)

func postQuantum() rule {
	return rule{
		ID: "EA-312", Title: "A post-quantum key exchange is offered", Severity: check.Info,
		Why:   "traffic that is recorded today may be read once large quantum computers exist; Secrets often live that long",
		Reads: "the groups that each address accepts for the key exchange",
		Needs: needs{speaksTLS}, Run: one(judgePostQuantum),
	}
}

func judgePostQuantum(a at) check.Result {
	var hybrid, all []string
	for _, g := range a.l.Served.Groups {
		all = append(all, suites.Group(g))
		if slices.Contains([]uint16{4587, 4588, 4589}, g) {
			hybrid = append(hybrid, suites.Group(g))
		}
	}
	evidence := a.offered("groups: " + strings.Join(all, ", "))
	if len(hybrid) > 0 {
		return with(check.Passed("", strings.Join(hybrid, ", ")), evidence)
	}
	if r, ok := a.enumerated("MLKEM"); !ok {
		return with(r, evidence)
	}
	if !slices.Contains(a.l.Served.Versions, 0x0304) {
		return with(check.Warned("", "TLS 1.3 is not spoken, and only it has such a key exchange", "allow TLS 1.3 (no --tls-max-version)"), evidence)
	}
	return with(check.Warned("", "only "+strings.Join(all, ", "), "use a release of etcd built with Go 1.24 or later, which offers X25519MLKEM768 by itself"), evidence)
}
