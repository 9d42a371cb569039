package tls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func peersDemand() rule {
	return rule{
		ID: "EA-307", Title: "Peer addresses speak TLS only and demand a certificate of their CA", Severity: check.Critical,
		Why:   "members send each other everything that is written, and take raft messages from whoever may connect: such a caller can read, forge and destroy the data",
		Reads: "the answers of each peer address to HTTP/1 with and without TLS, without a certificate and with made-up ones",
		Needs: needs{reachable}, Run: one(judgePeers),
	}
}

func judgePeers(a at) check.Result {
	if i := slices.IndexFunc(a.l.Exchanges, answersPlain); i >= 0 {
		e := a.l.Exchanges[i]
		return with(check.Failed("", fmt.Sprintf("%s was answered without TLS", e.Request), "move the peers to TLS: "+fix.Etcd(a.host, a.etcd, "peer-cert-file=CERT", "peer-key-file=KEY", "peer-trusted-ca-file=CA", "peer-client-cert-auth=true", "listen-peer-urls=https://…")+"; then etcdctl member update with https:// for each member"), seen(a.l, e))
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
			return with(check.Failed("", fmt.Sprintf("%s without a certificate was answered", t.Request), fix.Etcd(a.host, a.etcd, "peer-client-cert-auth=true", "peer-trusted-ca-file=CA", "peer-auto-tls=false")), t.seen...)
		case t.admission == letIn:
			accepted = append(accepted, id.Label)
		case t.admission == notKnown:
			reasons, do = append(reasons, t.reason), append(do, t.do)
		}
	}
	switch {
	case len(accepted) > 0:
		return with(check.Failed("", "a certificate of another issuer is accepted: "+strings.Join(accepted, ", "), fix.Etcd(a.host, a.etcd, "peer-trusted-ca-file=CA", "peer-client-cert-auth=true")), evidence...)
	case len(reasons) > 0:
		return with(check.Unevaluated("", reasons[0], do[0]), evidence...)
	case tried == 0:
		return check.Unevaluated("", a.why("a request without a certificate"), "")
	case !slices.ContainsFunc(a.l.Exchanges, func(e facts.Exchange) bool { return !e.TLS && e.Outcome != facts.Failed }):
		r := check.Unevaluated("", a.why("a request without TLS"), "")
		r.Expected = a.wire.Passive
		return with(r, evidence...)
	}
	return with(check.Passed("", fmt.Sprintf("refused without a certificate and with made-up ones (%d), answered with an accepted one", tried)), evidence...)
}
