package tls

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func metricsAndDebug() rule {
	return rule{
		ID: "EA-319", Title: "Metrics are read locally or with a certificate, and debug pages by no anonymous caller", Severity: check.Medium,
		Why:   "metrics hold no keys and no values, but names, versions, sizes and load; profiles (/debug/pprof) can show memory and slow etcd down",
		Reads: "the answers of client and metrics addresses to GET /metrics, /debug/pprof/ and /debug/vars without a certificate",
		Run:   one(judgeMetrics),
	}
}

func judgeMetrics(a at) check.Result {
	if a.plainSocket() {
		return check.Inapplicable(socketWithoutTLS)
	}
	var read, debug []string
	var evidence []check.Evidence
	open, do := "", ""
	for _, request := range []facts.Request{facts.GetMetrics, facts.GetPprof, facts.GetVars} {
		page := a.page(request)
		evidence = append(evidence, page.seen...)
		switch {
		case page.read:
			name := strings.TrimPrefix(string(request), "GET ")
			read = append(read, name)
			if request != facts.GetMetrics {
				debug = append(debug, name)
			}
		case open == "":
			open, do = page.open, page.do
		}
	}
	keys := a.keysRead()
	evidence = append(evidence, keys...)
	with := func(r check.Result) check.Result { return with(r, evidence...) }
	switch {
	case len(keys) > 0 && a.l.Purpose == facts.MetricsPort:
		return with(check.Failed("", "this is no metrics address: keys and values are read here without a certificate", "close it to anonymous callers: "+a.onlyTLS()))
	case len(debug) > 0:
		return with(check.Failed("", "read without a certificate: "+strings.Join(read, ", "), a.closePages(debug)))
	case len(read) > 0 && !facts.Local(a.l.URL):
		return with(check.Warned("", "metrics are read without a certificate by whatever reaches "+hostOf(a.l.URL)+a.metricsHold(), a.closeMetrics()))
	case len(read) > 0 && a.everyAddress():
		return with(check.Warned("", "metrics are read without a certificate, and etcd listens at every address of the node"+a.metricsHold(), a.closeMetrics()))
	case open != "":
		r := check.Unevaluated("", open, do)
		r.Expected = a.wire.Passive
		return with(r)
	case len(read) > 0 && a.etcd == nil:
		r := check.Unevaluated("", "metrics are read without a certificate at this address of the node itself; at which others they are served too was not seen", "run etcdaudit all on the node, or give its other addresses: --metrics-endpoints")
		r.Expected = true
		return with(r)
	case len(read) > 0:
		return with(check.Passed("", "metrics are read without a certificate, from this node only"+a.metricsHold()))
	case a.grpcOnly():
		return with(check.Passed("", "no HTTP is spoken here, and so there are no pages: who was let in by gRPC got none"))
	}
	return with(check.Passed("", "neither metrics nor debug pages are read without a certificate"))
}

// everyAddress reports whether etcd's configuration has a wildcard where this address is one of
// the node's own.
func (a at) everyAddress() bool {
	return a.etcd != nil && slices.ContainsFunc(slices.Concat(a.etcd.Config.ListenMetrics, a.etcd.Config.ListenClient, a.etcd.Config.ListenClientHTTP), func(listen string) bool {
		u, err := url.Parse(listen)
		return err == nil && net.ParseIP(u.Hostname()).IsUnspecified() && sameAddress(listen, a.l.URL)
	})
}

// page is what callers without a certificate get of one page.
type page struct {
	read bool
	// open is why that is not known, do what would show it.
	open, do string
	seen     []check.Evidence
}

// page looks at all requests for a page without a certificate. Where TLS is spoken, only what
// came over TLS shows that the page is closed.
func (a at) page(request facts.Request) page {
	p := page{open: a.why(string(request)+" without a certificate", nil)}
	for _, e := range a.l.Exchanges {
		if e.Request != request || e.TLS && e.Identity != "none" {
			continue
		}
		p.seen = append(p.seen, seen(a.l, e))
		_, controlled := a.wire.Control(a.l, request)
		switch {
		case e.Outcome == facts.Answered && e.Code() == "200":
			p.read = true
		case e.TLS != (a.l.Served != nil):
		case e.Outcome == facts.Answered, refuses(e) && controlled:
			p.open, p.do = "", ""
		case refuses(e):
			p.open, p.do = fmt.Sprintf("%s was refused (%s), and no certificate was let in by the same request", request, e.Said), a.control()
		default:
			p.open = sent(e) + ": " + outcome(e)
		}
	}
	if a.grpcOnly() {
		p.open, p.do = "", ""
	}
	return p
}

// grpcOnly reports whether a client that was let in by gRPC got no answer of HTTP at all: with
// --listen-client-http-urls etcd's other addresses have none.
func (a at) grpcOnly() bool {
	of := func(e facts.Exchange, match func(facts.Exchange) bool) bool {
		return slices.ContainsFunc(a.l.Exchanges, func(other facts.Exchange) bool {
			return other.TLS == e.TLS && other.Identity == e.Identity && ofHTTP(other.Request) && match(other)
		})
	}
	silent := func(e facts.Exchange) bool { return e.Outcome == facts.Closed || e.Outcome == facts.Mismatch }
	return slices.ContainsFunc(a.l.Exchanges, func(e facts.Exchange) bool {
		return e.Request == facts.Range && e.Passed() && of(e, silent) && !of(e, func(e facts.Exchange) bool { return !silent(e) })
	})
}

// keysRead is what shows that keys are read here without a certificate.
func (a at) keysRead() (all []check.Evidence) {
	for _, e := range a.l.Exchanges {
		keys := e.Request == facts.GatewayRange && e.Code() == "200" || e.Request == facts.Range || e.Request == facts.RangeAll
		if keys && e.Outcome == facts.Answered && (!e.TLS || e.Identity == "none") {
			all = append(all, seen(a.l, e))
		}
	}
	return all
}

// metricsHold says what is not in the metrics, where nothing else is served. At an address of
// clients keys and values are no more than a request away.
func (a at) metricsHold() string {
	if a.l.Purpose == facts.MetricsPort && !a.forHTTP() {
		return "; keys and values are not in them"
	}
	return ""
}

// closeMetrics says how to close metrics to the network. At its addresses for clients etcd
// serves them always (server/embed/etcd.go, serveClients).
func (a at) closeMetrics() string {
	if a.l.Purpose == facts.MetricsPort && !a.forHTTP() {
		return fix.Etcd(a.host, a.etcd, "listen-metrics-urls=http://127.0.0.1:2381")
	}
	return a.closeToAnonymous()
}

// closePages says how to close debug pages. /debug/vars is always served at the addresses for
// clients, profiles by a setting only.
func (a at) closePages(pages []string) string {
	do := a.closeToAnonymous()
	if slices.ContainsFunc(pages, func(p string) bool { return strings.HasPrefix(p, "/debug/pprof") }) {
		do += "; and turn off profiles: " + fix.Etcd(a.host, a.etcd, "enable-pprof=false", "log-level=info")
	}
	return do
}

// closeToAnonymous says how to close an address to callers without a certificate.
func (a at) closeToAnonymous() string {
	if a.plaintext(ofHTTP).open != nil {
		return "close the address to anonymous callers (EA-301, EA-302): " + a.onlyTLS()
	}
	return "close the address to anonymous callers (EA-301, EA-302): " + a.demanding()
}
