// Package tls holds the rules about what connections to etcd have shown, EA-3xx, one a
// file. It sees facts only: it connects to nothing.
package tls

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

// Rules returns the rules in the order of their ids.
func Rules() []check.Rule[facts.Facts] {
	client, peer := []facts.Purpose{facts.ClientPort}, []facts.Purpose{facts.PeerPort}
	all := []facts.Purpose{facts.ClientPort, facts.PeerPort, facts.MetricsPort}
	return []check.Rule[facts.Facts]{
		each(tlsOnly(), client),
		each(certificateDemanded(), client),
		each(otherIssuersRefused(), client),
		each(onlyIntended(), client),
		each(fullAccess(), client),
		each(caOfItsOwn(), append(client, facts.PeerPort)),
		each(peersDemand(), peer),
		each(peersRefuseClients(), peer),
		each(onlyModernVersions(), all),
		each(noWeakSuites(), all),
		each(forwardSecrecy(), all),
		each(postQuantum(), all),
		each(certificateValid(), all),
		each(chainStrength(), all),
		each(keyUsages(), all),
		each(notSelfMade(), all),
		each(separateCAs(), peer),
		each(servedDiskTrusted(), all),
		each(metricsAndDebug(), []facts.Purpose{facts.ClientPort, facts.MetricsPort}),
		etcdAdvisories(),
		apiServerAdvisories(),
	}
}

// at is one address of etcd with all that is known of it.
type at struct {
	wire *facts.Wire
	// host is nil if no node was read, etcd if no etcd of that node has the address.
	host *facts.Host
	etcd *facts.Etcd
	l    facts.Listener
}

type (
	rule  = check.Rule[at]
	needs = []check.Need[at]
)

// one is the Run of a rule that has one result for each address.
func one(run func(at) check.Result) func(at) []check.Result {
	return func(a at) []check.Result { return []check.Result{run(a)} }
}

// each evaluates a rule for every address of these purposes. A metrics address is left
// out of what is about TLS if it speaks none: that is usual, and EA-319 is about it.
func each(r rule, purposes []facts.Purpose) check.Rule[facts.Facts] {
	of := func(f facts.Facts) []facts.Listener {
		var all []facts.Listener
		for _, l := range f.Wire.Listeners {
			if slices.Contains(purposes, l.Purpose) && (l.Purpose != facts.MetricsPort || l.Served != nil || r.ID == "EA-319") {
				all = append(all, l)
			}
		}
		return all
	}
	r.Needs = append(needs{reachable, ofEtcd}, r.Needs...)
	run := r.Run
	r.Run = func(a at) []check.Result {
		results := run(a)
		for i := range results {
			if a.l.Behind != "" && results[i].Summary != "" {
				results[i].Summary += "; this is " + a.l.Behind + ", not etcd itself"
			}
		}
		return results
	}
	all := check.ForEach(r, func(f facts.Facts) (subjects []check.Subject[at]) {
		for _, l := range of(f) {
			a := at{wire: f.Wire, host: f.Host, etcd: etcdAt(f.Host, l), l: l}
			subjects = append(subjects, check.Subject[at]{Target: l.URL, Identity: identity(l), Facts: a, Evidence: []check.Evidence{found(l)}})
		}
		return subjects
	})
	all.Needs = []check.Need[facts.Facts]{need.Wire, func(f facts.Facts) (check.Result, bool) {
		return missing(f, purposes), len(of(f)) > 0
	}}
	return all
}

// identity names an address across reports. What is local is on every node, so the
// member is a part of it.
func identity(l facts.Listener) []string {
	if facts.Local(l.URL) {
		return []string{string(l.Purpose), l.Member, l.URL}
	}
	return []string{string(l.Purpose), "", l.URL}
}

func found(l facts.Listener) check.Evidence {
	seen := "found by: " + cmp.Or(strings.Join(l.Found, ", "), "not said")
	behind := "in front of etcd"
	if l.Foreign {
		behind = "in place of etcd"
	}
	for _, s := range []struct{ name, value string }{{"member", l.Member}, {"version", l.Version}, {behind, l.Behind}} {
		if s.value != "" {
			seen += "; " + s.name + ": " + s.value
		}
	}
	return check.Evidence{Source: fmt.Sprintf("%s address %s", l.Purpose, l.URL), Seen: seen}
}

// missing says why there is no address of these purposes.
func missing(f facts.Facts, purposes []facts.Purpose) check.Result {
	kine := func(l facts.Listener) bool { return l.Behind == "kine" }
	if !slices.Contains(purposes, facts.ClientPort) && len(f.Wire.Listeners) > 0 && !slices.ContainsFunc(f.Wire.Listeners, func(l facts.Listener) bool { return !kine(l) }) {
		return check.Inapplicable("kine stands in for etcd, and has no peers")
	}
	var why, do []string
	for _, m := range f.Wire.Missing {
		if slices.ContainsFunc(purposes, func(p facts.Purpose) bool { return strings.Contains(m.What, string(p)) }) {
			why, do = append(why, m.What+": "+m.Why), append(do, m.Do)
		}
	}
	if len(why) > 0 {
		return check.Unevaluated("", strings.Join(why, "; "), strings.Join(slices.DeleteFunc(slices.Compact(do), func(s string) bool { return s == "" }), "; "))
	}
	if purposes[0] == facts.PeerPort && len(f.Wire.Listeners) > 0 {
		return check.Unevaluated("", "no peer address of etcd is known", "give them (--peer-endpoints), or a client that etcd accepts, which is asked for the member list (--cert and --key)")
	}
	if f.Host != nil {
		if result, ok := need.Host(f); !ok {
			return result
		}
	}
	return check.Unevaluated("", fmt.Sprintf("no %s address of etcd was given or found", purposes[0]), "give it, or run etcdaudit on a control-plane node, where it is found")
}

// reachable is not met where nothing is known of an address.
func reachable(a at) (check.Result, bool) {
	return check.Unevaluated("", a.l.Unreachable, ""), a.l.Unreachable == ""
}

// ofEtcd is not met where something else than etcd answers: no setting of etcd would change
// that.
func ofEtcd(a at) (check.Result, bool) {
	var answered []check.Evidence
	for _, e := range a.l.Exchanges {
		if e.Passed() && e.Request.ShowsAccess() {
			answered = append(answered, seen(a.l, e))
		}
	}
	r := check.Unevaluated("", a.l.Behind+" answers here", fmt.Sprintf("check that this is a %s address of etcd; where a proxy stands there, give the addresses of the etcd behind it", a.l.Purpose))
	return with(r, answered...), !a.l.Foreign
}

// speaksTLS is not met where an address speaks no TLS.
func speaksTLS(a at) (check.Result, bool) {
	switch {
	case a.l.Served != nil:
		return check.Result{}, true
	case a.plainSocket():
		return check.Inapplicable(socketWithoutTLS), false
	case slices.ContainsFunc(a.l.Exchanges, answersPlain):
		return check.Inapplicable("no TLS is spoken here"), false
	}
	return check.Unevaluated("", "nothing here has answered in TLS: "+a.why("a TLS handshake", overTLS), ""), false
}

// why says why a probe has shown nothing: how the first that matches ended, or why none was
// made.
func (a at) why(what string, matches func(facts.Exchange) bool) string {
	if matches != nil {
		if i := slices.IndexFunc(a.l.Exchanges, matches); i >= 0 {
			return sent(a.l.Exchanges[i]) + ": " + outcome(a.l.Exchanges[i])
		}
	}
	for _, m := range a.l.Skipped {
		if strings.Contains(m.What, what) {
			return m.What + ": " + m.Why
		}
	}
	for _, m := range a.l.Skipped {
		return m.What + ": " + m.Why
	}
	if a.wire.Passive {
		return what + " was not tried: with --passive nothing is sent that a normal client would not send"
	}
	return what + " was not tried"
}

func overTLS(e facts.Exchange) bool { return e.TLS }

// etcdAt returns the etcd of the host that has an address; nil if there is none, or more
// than one: processes in other network namespaces have the same loopback addresses.
func etcdAt(h *facts.Host, l facts.Listener) (found *facts.Etcd) {
	if h == nil {
		return nil
	}
	for i := range h.Etcds {
		c := h.Etcds[i].Config
		own := slices.Concat(c.ListenClient, c.ListenClientHTTP, c.AdvertiseClient)
		switch l.Purpose {
		case facts.PeerPort:
			own = slices.Concat(c.ListenPeer, c.AdvertisePeer)
		case facts.MetricsPort:
			own = slices.Concat(c.ListenMetrics, c.ListenClientHTTP)
		}
		if !slices.ContainsFunc(own, func(u string) bool { return sameAddress(u, l.URL) }) {
			continue
		}
		if found != nil {
			return nil
		}
		found = &h.Etcds[i]
	}
	return found
}

// sameAddress reports whether a listen address of this node is where a connection to
// tested ends. A wildcard is taken for local addresses only: other nodes have it too.
func sameAddress(listen, tested string) bool {
	a, errA := url.Parse(listen)
	b, errB := url.Parse(tested)
	if errA != nil || errB != nil {
		return false
	}
	if strings.HasPrefix(a.Scheme, "unix") || strings.HasPrefix(b.Scheme, "unix") {
		return a.Scheme == b.Scheme && a.Host+a.Path == b.Host+b.Path
	}
	name := func(u *url.URL) string { return strings.Replace(u.Hostname(), "localhost", "127.0.0.1", 1) }
	ip := net.ParseIP(a.Hostname())
	return a.Port() == b.Port() && (name(a) == name(b) || ip != nil && ip.IsUnspecified() && facts.Local(tested))
}
