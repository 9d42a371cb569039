package tls

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func peersDemand() rule {
	return rule{
		ID: "EA-307", Title: "Peer addresses speak TLS only and demand a certificate of their CA", Severity: check.Critical,
		Why:   "members send each other everything that is written, and take raft messages from whoever may connect: such a caller can read, forge and destroy the data",
		Reads: "the answers of each peer address to HTTP/1 with and without TLS, without a certificate and with made-up ones",
		Run:   one(judgePeers),
	}
}

func judgePeers(a at) check.Result {
	p := a.plaintext(ofHTTP)
	if p.open != nil {
		return with(check.Failed("", fmt.Sprintf("%s was answered without TLS", p.open.Request), "move the peers to TLS: "+a.demanding("listen-peer-urls=https://…")+"; then etcdctl member update with https:// for each member"), p.seen...)
	}
	if result, ok := speaksTLS(a); !ok {
		return result
	}
	var evidence []check.Evidence
	var accepted, reasons, do []string
	tried := 0
	for _, id := range a.wire.Identities {
		if id.Kind != facts.NoCertificate && id.Kind != facts.SelfSigned && id.Kind != facts.ForgedIssuer {
			continue
		}
		tried++
		t := a.try(id.Label)
		evidence = append(evidence, t.seen...)
		switch {
		case t.admission == letIn && id.Kind == facts.NoCertificate:
			return with(check.Failed("", fmt.Sprintf("%s without a certificate was answered", t.Request), a.demanding()), t.seen...)
		case t.admission == letIn:
			accepted = append(accepted, id.Label)
		case t.admission == notKnown:
			reasons, do = append(reasons, t.reason), append(do, t.do)
		}
	}
	switch {
	case len(accepted) > 0:
		return with(check.Failed("", "a certificate of another issuer is accepted: "+strings.Join(accepted, ", "), a.demanding()), evidence...)
	case len(reasons) > 0:
		return with(check.Unevaluated("", reasons[0], do[0]), evidence...)
	case tried == 0:
		return check.Unevaluated("", a.why("a request without a certificate", nil), "")
	case p.reason != "":
		r := check.Unevaluated("", p.reason, "")
		r.Expected = a.wire.Passive
		return with(r, append(evidence, p.seen...)...)
	}
	return with(check.Passed("", fmt.Sprintf("refused without a certificate and with made-up ones (%d), answered with an accepted one", tried)), append(evidence, p.seen...)...)
}
