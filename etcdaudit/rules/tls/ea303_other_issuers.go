package tls

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func otherIssuersRefused() rule {
	return rule{
		ID: "EA-303", Title: "Client addresses refuse certificates of other issuers", Severity: check.Critical,
		Why:   "a port that asks for a certificate and does not verify its issuer looks protected, and lets every caller in",
		Reads: "the answers of each client address to a self-signed certificate, and to one of a CA with the name of etcd's CA and another key",
		Needs: needs{speaksTLS, demandsAny}, Run: one(judgeOtherIssuers),
	}
}

// demandsAny is not met where a client without a certificate is let in: what it would do
// with one says nothing then.
func demandsAny(a at) (check.Result, bool) {
	none := a.try("none")
	id := "EA-302"
	if a.l.Purpose == facts.PeerPort {
		id = "EA-307"
	}
	return with(check.Inapplicable("no certificate is needed here: "+id), none.seen...), none.admission != letIn
}

func judgeOtherIssuers(a at) check.Result {
	var accepted, open, do []string
	var evidence []check.Evidence
	tried := 0
	for _, id := range a.wire.Identities {
		if id.Kind != facts.SelfSigned && id.Kind != facts.ForgedIssuer {
			continue
		}
		tried++
		t := a.try(id.Label)
		evidence = append(evidence, t.seen...)
		switch t.admission {
		case letIn:
			accepted = append(accepted, id.Label)
		case notKnown:
			open = append(open, t.reason)
			do = append(do, t.do)
		}
	}
	switch {
	case len(accepted) > 0:
		return with(check.Failed("", "a certificate of another issuer is accepted: "+strings.Join(accepted, ", "), a.demanding()), evidence...)
	case tried == 0:
		r := check.Unevaluated("", a.why("a certificate of another issuer", nil), "")
		r.Expected = a.wire.Passive
		return r
	case len(open) > 0:
		return with(check.Unevaluated("", open[0], do[0]), evidence...)
	}
	return with(check.Passed("", fmt.Sprintf("%d made-up certificates were refused, and an accepted one was let in", tried)), evidence...)
}
