package tls

import (
	"fmt"
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
		Needs: needs{reachable}, Run: one(judgeMetrics),
	}
}

func judgeMetrics(a at) check.Result {
	if a.plainSocket() {
		return check.Inapplicable(socketWithoutTLS)
	}
	var metrics, debug []string
	var evidence []check.Evidence
	pages := []facts.Request{facts.GetMetrics, facts.GetPprof, facts.GetVars}
	settled, reason, do := false, a.why("GET /metrics"), ""
	for _, e := range a.l.Exchanges {
		if !slices.Contains(pages, e.Request) || e.TLS && e.Identity != "none" {
			continue
		}
		evidence = append(evidence, seen(a.l, e))
		_, controlled := a.wire.Control(a.l, e.Request)
		switch {
		case e.Outcome == facts.Answered && code(e) == "200":
			settled = true
			page := strings.TrimPrefix(string(e.Request), "GET ")
			if e.Request == facts.GetMetrics {
				metrics = append(metrics, page)
			} else {
				debug = append(debug, page)
			}
		case e.Outcome == facts.Answered, e.Outcome == facts.Mismatch, controlled:
			settled = true
		case refuses(e):
			reason, do = fmt.Sprintf("%s was refused (%s), and no certificate was let in by the same request", e.Request, e.Said), a.control()
		default:
			reason = fmt.Sprintf("%s: %s", e.Request, outcome(e))
		}
	}
	switch {
	case len(debug) > 0:
		return with(check.Failed("", "read without a certificate: "+strings.Join(append(debug, metrics...), ", "), "close the address to anonymous callers (EA-301, EA-302), and "+fix.Etcd(a.host, a.etcd, "enable-pprof=false", "log-level=info")), evidence...)
	case len(metrics) > 0 && local(a.l.URL):
		return with(check.Passed("", "metrics are read without a certificate, from this node only; keys and values are not in them"), evidence...)
	case len(metrics) > 0:
		return with(check.Warned("", "metrics are read without a certificate by whatever reaches "+hostOf(a.l.URL)+"; keys and values are not in them", fix.Etcd(a.host, a.etcd, "listen-metrics-urls=http://127.0.0.1:2381")), evidence...)
	case settled:
		return with(check.Passed("", "neither metrics nor debug pages are read without a certificate"), evidence...)
	}
	r := check.Unevaluated("", reason, do)
	r.Expected = a.wire.Passive
	return with(r, evidence...)
}
