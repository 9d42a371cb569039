package tls

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func certificateDemanded() rule {
	return rule{
		ID: "EA-302", Title: "Client addresses demand a client certificate", Severity: check.Critical,
		Why:   "a caller without a certificate who reaches the port reads and writes everything, past the API server's authentication, RBAC and audit log",
		Reads: "the answer of each client address to a request for keys without a certificate, beside one with a certificate that it accepts: of gRPC, or of the JSON gateway where no gRPC is spoken (listen-client-http-urls)",
		Run:   one(judgeDemanded),
	}
}

func judgeDemanded(a at) check.Result {
	if a.plainSocket() {
		return check.Inapplicable(socketWithoutTLS)
	}
	if open := a.plaintext(func(facts.Request) bool { return true }).open; open != nil && open.Outcome == facts.Answered {
		return with(check.Failed("", fmt.Sprintf("%s was answered without TLS, and so without a certificate", open.Request), "see EA-301 first: there is no client certificate without TLS"), seen(a.l, *open))
	}
	if result, ok := speaksTLS(a); !ok {
		return result
	}
	none, do := a.try("none"), a.demanding()
	keys, _ := a.l.Exchange(true, a.deciding(), "none")
	switch {
	case none.admission == letIn && (none.Outcome == facts.Denied || keys.RefusedByHTTP()):
		return with(check.Warned("", fmt.Sprintf("a client without a certificate is let in; only its request for keys was denied (%s)", keys.Said), do), none.seen...)
	case none.admission == letIn:
		return with(check.Failed("", fmt.Sprintf("%s without a certificate was answered", none.Request), do), none.seen...)
	case none.admission == refused:
		return with(check.Passed("", fmt.Sprintf("%s without a certificate was refused, and answered with one", none.Request)), none.seen...)
	}
	return with(check.Unevaluated("", none.reason, none.do), none.seen...)
}
