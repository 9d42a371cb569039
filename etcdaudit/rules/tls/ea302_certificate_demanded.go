package tls

import (
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func certificateDemanded() rule {
	return rule{
		ID: "EA-302", Title: "Client addresses demand a client certificate", Severity: check.Critical,
		Why:   "a caller without a certificate who reaches the port reads and writes everything, past the API server's authentication, RBAC and audit log",
		Reads: "the answer of each client address to a gRPC request without a certificate, beside one with a certificate that it accepts",
		Needs: needs{reachable}, Run: one(judgeDemanded),
	}
}

func judgeDemanded(a at) check.Result {
	if a.plainSocket() {
		return check.Inapplicable(socketWithoutTLS)
	}
	if i := slices.IndexFunc(a.l.Exchanges, func(e facts.Exchange) bool { return answersPlain(e) && e.Outcome == facts.Answered }); i >= 0 {
		e := a.l.Exchanges[i]
		return with(check.Failed("", fmt.Sprintf("%s was answered without TLS, and so without a certificate", e.Request), "see EA-301 first: there is no client certificate without TLS"), seen(a.l, e))
	}
	if result, ok := speaksTLS(a); !ok {
		return result
	}
	none := a.try("none")
	do := fix.Etcd(a.host, a.etcd, "client-cert-auth=true", "trusted-ca-file=CA")
	switch {
	case none.admission == letIn && none.Outcome == facts.Denied:
		return with(check.Warned("", "a client without a certificate is let in; only etcd's RBAC denied its request", do), none.seen...)
	case none.admission == letIn:
		return with(check.Failed("", fmt.Sprintf("%s without a certificate was answered", none.Request), do), none.seen...)
	case none.admission == refused:
		return with(check.Passed("", fmt.Sprintf("%s without a certificate was refused, and answered with one", none.Request)), none.seen...)
	}
	return with(check.Unevaluated("", none.reason, none.do), none.seen...)
}
