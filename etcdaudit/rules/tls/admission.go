package tls

import (
	"fmt"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

// admission is whether a client was let in.
type admission uint8

const (
	notKnown admission = iota
	letIn
	// refused is said only where an intended client was let in by the same request.
	refused
)

// trial is what an address did with one identity over TLS.
type trial struct {
	admission
	facts.Exchange
	// reason is why it is not known, do what would show it.
	reason, do string
	seen       []check.Evidence
}

// try looks at all requests of an identity.
func (a at) try(label string) trial {
	out := trial{reason: a.why(fmt.Sprintf("a request as %q", label))}
	for _, e := range a.l.Exchanges {
		if !e.TLS || e.Identity != label || !e.Request.ShowsAccess() {
			continue
		}
		out.seen = append(out.seen, seen(a.l, e))
		control, controlled := a.wire.Control(a.l, e.Request)
		switch {
		case e.Passed() && !refusedByHTTP(e):
			out.admission, out.Exchange = letIn, e
			return out
		case !refuses(e):
			if out.Exchange.Request == "" {
				out.reason = fmt.Sprintf("%s as %q: %s", e.Request, label, e.Said)
			}
		case controlled && proves(a.l, e.Request):
			if out.admission != refused {
				out.admission, out.Exchange = refused, e
			}
			out.seen = append(out.seen, seen(a.l, control))
		case out.admission == notKnown:
			out.Exchange = e
			out.reason = fmt.Sprintf("%q was refused (%s), but so far no client was let in by the same request: the address may refuse everyone", label, e.Said)
			out.do = a.control()
		}
	}
	return out
}

// proves reports whether a refusal of a request is one of the client. On a client address
// that is shown by gRPC only: the JSON gateway and the metrics may be served elsewhere.
func proves(l facts.Listener, r facts.Request) bool {
	return l.Purpose != facts.ClientPort || r == facts.Range || r == facts.RangeAll
}

// control says how to give an identity that the address should accept.
func (a at) control() string {
	if a.l.Purpose == facts.PeerPort {
		return "give a peer's certificate as control: --probe-cert peer=CERT,KEY"
	}
	return "give a certificate that etcd accepts: --cert and --key, or --probe-cert apiserver=CERT,KEY"
}

// refuses reports whether the server has refused a client, rather than not understood it.
func refuses(e facts.Exchange) bool {
	return e.Outcome == facts.Refused || e.Outcome == facts.Closed || refusedByHTTP(e)
}

// refusedByHTTP reports whether a proxy that ends TLS has refused a client in HTTP: nginx
// completes the handshake without a certificate, and then answers 400. etcd does not.
func refusedByHTTP(e facts.Exchange) bool {
	if e.Outcome != facts.Answered {
		return false
	}
	switch code(e) {
	case "400", "401", "403", "495", "496":
		return true
	}
	return false
}

// code is the status code of an answer in HTTP; empty for none.
func code(e facts.Exchange) string {
	after, ok := strings.CutPrefix(e.Said, "HTTP ")
	if !ok || len(after) < 3 {
		return ""
	}
	return after[:3]
}

// answersPlain reports whether a request without TLS was answered. A server of TLS may
// answer such a request with 400, to say just that.
func answersPlain(e facts.Exchange) bool { return !e.TLS && e.Passed() && code(e) != "400" }

// seen is an exchange as evidence.
func seen(l facts.Listener, e facts.Exchange) check.Evidence {
	how := "without TLS"
	if e.TLS {
		how = fmt.Sprintf("over TLS as %q", e.Identity)
		switch {
		case e.ServerName != "":
			how += ", server name " + e.ServerName
		default:
			how += ", no server name"
		}
		switch {
		case e.Sent && !e.Asked:
			how += ", certificate not asked for"
		case e.Sent:
			how += ", certificate sent"
		}
	}
	source := fmt.Sprintf("%s from %s at %s", l.URL, e.Local, e.At.UTC().Format(time.RFC3339))
	return check.Evidence{Source: source, Seen: fmt.Sprintf("%s %s: %s", e.Request, how, outcome(e))}
}

// outcome is how an exchange ended, in words.
func outcome(e facts.Exchange) string {
	words := map[facts.Outcome]string{
		facts.Answered: "answered", facts.Denied: "let in, and denied by etcd's RBAC", facts.Refused: "refused",
		facts.Closed: "closed after the handshake", facts.Mismatch: "no such protocol", facts.Silent: "silent", facts.Failed: "no connection",
	}
	if e.Said == "" {
		return words[e.Outcome]
	}
	return words[e.Outcome] + " (" + e.Said + ")"
}

// with adds what a result rests on.
func with(r check.Result, evidence ...check.Evidence) check.Result {
	r.Evidence = append(r.Evidence, evidence...)
	return r
}
