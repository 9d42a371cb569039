package tls

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func onlyModernVersions() rule {
	return rule{
		ID: "EA-309", Title: "Only TLS 1.2 and 1.3 are spoken", Severity: check.High,
		Why:   "TLS 1.0 and 1.1 rest on MD5 and SHA-1 and are forbidden by RFC 8996; etcd cannot serve them, so a proxy in front of it does",
		Reads: "the versions in which each address completes a handshake",
		Needs: needs{speaksTLS}, Run: one(judgeVersions),
	}
}

func judgeVersions(a at) check.Result {
	var all, old []string
	for _, v := range slices.Sorted(slices.Values(a.l.Served.Versions)) {
		all = append(all, tls.VersionName(v))
		if v < 0x0303 {
			old = append(old, tls.VersionName(v))
		}
	}
	evidence := a.offered("versions: " + strings.Join(all, ", "))
	if len(old) > 0 {
		do := "set the least version to TLS 1.2 in what ends TLS here, which is not etcd: that serves TLS 1.2 and 1.3 only"
		if a.etcd != nil {
			do += "; " + fix.Etcd(a.host, a.etcd, "tls-min-version=TLS1.2")
		}
		return with(check.Failed("", "spoken: "+strings.Join(old, ", "), do), evidence)
	}
	if r, ok := a.enumerated("TLS 1.0", "TLS 1.1"); !ok {
		return with(r, evidence)
	}
	return with(check.Passed("", strings.Join(all, " and ")+", neither TLS 1.0 nor TLS 1.1"), evidence)
}

// enumerated is not met where not all that can be offered was. tried are names in
// NotOffered that matter; that others can never be offered is said in the evidence.
func (a at) enumerated(tried ...string) (check.Result, bool) {
	for _, m := range a.l.Served.NotOffered {
		for _, t := range tried {
			if strings.Contains(m.What, t) {
				return check.Unevaluated("", fmt.Sprintf("%s could not be tried: %s", m.What, m.Why), m.Do), false
			}
		}
	}
	if !a.l.Served.Enumerated {
		for _, m := range a.l.Served.NotOffered {
			if strings.Contains(m.What, "not listed") { // it was begun, and did not come to its end
				return check.Unevaluated("", m.Why+", before all had been tried", ""), false
			}
		}
		if slices.ContainsFunc(a.l.Exchanges, func(e facts.Exchange) bool { return e.Request == facts.Offer }) {
			return check.Unevaluated("", "an enumeration was begun, and did not come to its end", ""), false
		}
		r := check.Unevaluated("", a.why("an enumeration", nil)+"; nothing bad came up in the other connections", "run it with enumeration, and without --passive")
		r.Expected = true
		return r, false
	}
	return check.Result{}, true
}

// offered is evidence of what TLS showed.
func (a at) offered(what string) check.Evidence {
	how := "seen in ordinary connections"
	if a.l.Served.Enumerated {
		how = "all were tried"
	}
	for _, m := range a.l.Served.NotOffered {
		how += "; not tried: " + m.What
	}
	return check.Evidence{Source: a.l.URL, Seen: fmt.Sprintf("%s (%s, %s)", what, how, a.wire.Now.UTC().Format("2006-01-02T15:04Z"))}
}
