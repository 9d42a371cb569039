package tls

import (
	"fmt"
	"slices"
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

// try looks at all requests of an identity. The one that decides comes first: what it shows
// is what is said.
func (a at) try(label string) trial {
	var out trial
	for _, e := range a.requests(label) {
		out.seen = append(out.seen, seen(a.l, e))
		control, controlled := a.wire.Control(a.l, e.Request)
		switch {
		case e.Passed() && !e.RefusedByHTTP():
			out.admission, out.Exchange = letIn, e
			return out
		case !a.decides(e.Request):
		case !refuses(e):
			if out.reason == "" {
				out.reason = sent(e) + ": " + outcome(e)
			}
		case controlled:
			if out.admission != refused {
				out.admission, out.Exchange = refused, e
			}
			out.seen = append(out.seen, seen(a.l, control))
		case out.reason == "":
			out.Exchange = e
			out.reason = fmt.Sprintf("%q was refused (%s), but so far no client was let in by the same request: the address may refuse everyone", label, e.Said)
			out.do = a.control()
		}
	}
	if out.reason == "" {
		out.reason = a.why(fmt.Sprintf("%s as %q", a.deciding(), label), nil)
	}
	return out
}

// requests are those of an identity over TLS that show whether it was let in.
func (a at) requests(label string) (all []facts.Exchange) {
	for _, e := range a.l.Exchanges {
		if e.TLS && e.Identity == label && e.Request.ShowsAccess() {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, a.decidingFirst)
	return all
}

func (a at) decidingFirst(x, y facts.Exchange) int {
	rank := func(e facts.Exchange) int {
		if a.decides(e.Request) {
			return 0
		}
		return 1
	}
	return rank(x) - rank(y)
}

// decides reports whether a refusal of a request is one of the client. At a client address
// only the request for keys shows that: what else is served there may have rules of its own.
func (a at) decides(r facts.Request) bool {
	switch {
	case a.l.Purpose != facts.ClientPort:
		return true
	case a.overHTTP():
		return r == facts.GatewayRange
	}
	return r == facts.Range || r == facts.RangeAll
}

// deciding is the request that decides who is let in at an address.
func (a at) deciding() facts.Request {
	switch {
	case a.l.Purpose == facts.PeerPort:
		return facts.GetVersion
	case a.l.Purpose == facts.MetricsPort:
		return facts.GetMetrics
	case a.overHTTP():
		return facts.GatewayRange
	}
	return facts.Range
}

// overHTTP reports whether an address of clients speaks HTTP and no gRPC, as those of
// --listen-client-http-urls do. That is shown where a client that should be accepted gets no
// answer of gRPC, or where none does. Everything is read and written there all the same,
// through the JSON gateway.
func (a at) overHTTP() bool {
	if a.l.Purpose != facts.ClientPort {
		return false
	}
	tried, mismatched := 0, 0
	for _, e := range a.l.Exchanges {
		switch {
		case e.Request != facts.Range && e.Request != facts.RangeAll:
		case e.Passed():
			return false
		case e.TLS == (a.l.Served != nil):
			tried++
			if e.Outcome == facts.Mismatch {
				mismatched++
				if a.wire.Identity(e.Identity).Intended() {
					return true
				}
			}
		}
	}
	return tried > 0 && tried == mismatched
}

// control says how to give an identity that the address should accept, if none was given
// that it does accept.
func (a at) control() string {
	if slices.ContainsFunc(a.l.Exchanges, func(e facts.Exchange) bool {
		return e.TLS && e.Request.ShowsAccess() && e.Passed() && !e.RefusedByHTTP() && a.wire.Identity(e.Identity).Intended()
	}) {
		return ""
	}
	if a.l.Purpose == facts.PeerPort {
		return "give a peer's certificate as control: --probe-cert peer=CERT,KEY"
	}
	return "give a certificate that etcd accepts: --cert and --key, or --probe-cert apiserver=CERT,KEY"
}

// refuses reports whether the server has refused a client, rather than not understood it.
func refuses(e facts.Exchange) bool {
	return e.Outcome == facts.Refused || e.Outcome == facts.Closed || e.RefusedByHTTP()
}

// answersPlain reports whether a request without TLS was answered by a server that serves
// without TLS. Of HTTP/1 only a success shows that: a server of TLS says 400, and a proxy
// sends the client elsewhere (301).
func answersPlain(e facts.Exchange) bool {
	return !e.TLS && e.Passed() && (e.Code() == "" || strings.HasPrefix(e.Code(), "2"))
}

// plain is what an address did without TLS.
type plain struct {
	// open is a request that was answered; nil if none was.
	open *facts.Exchange
	// reason is why it is not known that none would be; empty if that is known.
	reason string
	tried  int
	seen   []check.Evidence
}

// plaintext looks at all requests without TLS. counts are those without which nothing is
// shown: what the address speaks over TLS.
func (a at) plaintext(counts func(facts.Request) bool) (out plain) {
	var all []facts.Exchange
	for _, e := range a.l.Exchanges {
		if !e.TLS {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, a.decidingFirst)
	counted := false
	for _, e := range all {
		out.seen = append(out.seen, seen(a.l, e))
		counted = counted || counts(e.Request)
		switch {
		case answersPlain(e):
			if out.open == nil {
				out.open = &e
			}
		case out.reason != "":
		case e.Code() == "400": // a server of TLS says so
		case e.Passed():
			out.reason = sent(e) + ": " + outcome(e) + ", which is no answer of etcd"
		case e.Outcome == facts.Silent, e.Outcome == facts.Failed:
			out.reason = sent(e) + ": " + outcome(e)
		}
	}
	if !counted && out.reason == "" {
		out.reason = a.why("a request without TLS", nil)
	}
	out.tried = len(all)
	return out
}

// ofHTTP reports whether a request is one of HTTP/1.1.
func ofHTTP(r facts.Request) bool {
	return strings.HasPrefix(string(r), "GET ") || strings.HasPrefix(string(r), "POST ")
}

// sent is what was sent as whom.
func sent(e facts.Exchange) string {
	if !e.TLS {
		return string(e.Request) + " without TLS"
	}
	return fmt.Sprintf("%s as %q", e.Request, e.Identity)
}

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
