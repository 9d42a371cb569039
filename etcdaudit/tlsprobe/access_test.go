package tlsprobe_test

import (
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/components"
)

// want is what an exchange with a listener must have ended with.
type want struct {
	tls      bool
	request  facts.Request
	identity string
	outcome  facts.Outcome
	said     string // a part of it
}

func (w want) check(t *testing.T, l facts.Listener) {
	t.Helper()
	e, ok := l.Exchange(w.tls, w.request, w.identity)
	if !ok || e.Outcome != w.outcome || !strings.Contains(e.Said, w.said) {
		t.Errorf("%s, TLS %v, as %q: made %v, outcome %d, %q; want %d, %q", w.request, w.tls, w.identity, ok, e.Outcome, e.Said, w.outcome, w.said)
	}
}

func TestAPortThatAsksForCertificatesRefusesAllOthers(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, p.mutual()...)
	wire := probe(t, tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Targets: e.targets()})
	client, peer := wire.Listeners[0], wire.Listeners[1]
	for _, w := range []want{
		{false, facts.GetVersion, "", facts.Mismatch, ""},
		{false, facts.Range, "", facts.Mismatch, ""},
		{true, facts.Handshake, tlsprobe.None, facts.Refused, "certificate required"},
		{true, facts.Range, tlsprobe.None, facts.Refused, "certificate required"},
		{true, facts.Range, tlsprobe.SelfSigned, facts.Refused, "unknown certificate authority"},
		{true, facts.Range, tlsprobe.ForgedIssuer, facts.Refused, "unknown certificate authority"},
		{true, facts.Range, tlsprobe.Own, facts.Answered, "OK"},
		{true, facts.RangeAll, tlsprobe.Own, facts.Answered, "OK"},
		{true, facts.GetMetrics, tlsprobe.None, facts.Refused, ""},
		{true, facts.GetMetrics, tlsprobe.Own, facts.Answered, "HTTP 200"},
		{true, facts.GetPprof, tlsprobe.Own, facts.Answered, "HTTP 404"},
	} {
		w.check(t, client)
	}
	for _, w := range []want{
		{false, facts.GetVersion, "", facts.Mismatch, ""},
		{true, facts.GetVersion, tlsprobe.None, facts.Refused, "certificate required"},
		{true, facts.GetVersion, tlsprobe.ForgedIssuer, facts.Refused, "unknown certificate authority"},
		// A client certificate without names of hosts is enough for a peer.
		{true, facts.GetVersion, tlsprobe.Own, facts.Answered, "HTTP 200"},
		{true, facts.GetMembers, tlsprobe.Own, facts.Answered, "HTTP 200"},
	} {
		w.check(t, peer)
	}
	if client.Version != peer.Version || !strings.HasPrefix(client.Version, "3.") {
		t.Errorf("versions %q and %q", client.Version, peer.Version)
	}
	forged, _ := client.Exchange(true, facts.Range, tlsprobe.ForgedIssuer)
	if !forged.Asked || !forged.Sent || forged.ServerName != tlsprobe.ServerName || forged.Local == "" || forged.At.IsZero() {
		t.Errorf("the forged issuer's connection: %+v", forged)
	}
	if s := client.Served; s == nil || !s.Verified || s.ChainError != "" || len(s.AcceptableCAs) != 1 || len(s.Chain) != 1 {
		t.Errorf("served: %+v", s)
	}
	if _, ok := wire.Control(client, facts.Range); !ok {
		t.Error("the auditor's own certificate is no control")
	}
}

func TestPlaintextIsFoundOnAPortOfTLS(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, append(p.mutual(), "--listen-client-urls=http://{client},https://{client}")...)
	l := probe(t, tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Targets: e.targets()[:1]}).Listeners[0]
	for _, w := range []want{
		{false, facts.GetVersion, "", facts.Answered, "HTTP 200"},
		{false, facts.Settings, "", facts.Answered, "SETTINGS"},
		{false, facts.Range, "", facts.Answered, "OK"},
		{false, facts.RangeAll, "", facts.Answered, "OK"},
		{true, facts.Range, tlsprobe.None, facts.Refused, ""},
		{true, facts.Range, tlsprobe.Own, facts.Answered, "OK"},
	} {
		w.check(t, l)
	}
}

// The JSON gateway reads and writes all keys, also where no gRPC is spoken.
func TestAnAddressForHTTPOnlyIsAskedThroughItsGateway(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, append(p.mutual(), "--listen-client-http-urls=https://{metrics},http://{http}")...)
	other := newPKI(t)
	wire := probe(t, tlsprobe.Config{
		CA: p.pool(t), Own: p.own(t), Given: []tlsprobe.Identity{other.client.identity(t, "wrong CA"), p.issue(t, "given").identity(t, "given")},
		Targets: []tlsprobe.Target{{Purpose: facts.ClientPort, URL: "https://" + e.metrics}, {Purpose: facts.ClientPort, URL: "http://" + e.http}},
	})
	for _, w := range []want{
		{true, facts.Range, tlsprobe.Own, facts.Mismatch, ""},
		{true, facts.GatewayRange, tlsprobe.None, facts.Refused, "certificate required"},
		{true, facts.GatewayRange, tlsprobe.SelfSigned, facts.Refused, "unknown certificate authority"},
		{true, facts.GatewayRange, tlsprobe.ForgedIssuer, facts.Refused, "unknown certificate authority"},
		{true, facts.GatewayRange, tlsprobe.Own, facts.Answered, "HTTP 200"},
		{true, facts.GatewayRange, "wrong CA", facts.Refused, "unknown certificate authority"},
		{true, facts.GatewayRange, "given", facts.Answered, "HTTP 200"},
	} {
		w.check(t, wire.Listeners[0])
	}
	want{false, facts.Range, "", facts.Mismatch, ""}.check(t, wire.Listeners[1])
	want{false, facts.GatewayRange, "", facts.Answered, "HTTP 200"}.check(t, wire.Listeners[1])
}

func TestPlainPortsAndSocketsIgnoreTLS(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, append(p.mutual(),
		"--listen-client-urls=http://{client},unix://{dir}/s:1", "--listen-metrics-urls=http://{metrics}")...)
	wire := probe(t, tlsprobe.Config{Own: p.own(t), Targets: []tlsprobe.Target{
		{Purpose: facts.ClientPort, URL: "https://" + e.client},
		{Purpose: facts.ClientPort, URL: "unix://" + e.dir + "/s:1"},
		{Purpose: facts.MetricsPort, URL: "http://" + e.metrics},
	}})
	for _, l := range wire.Listeners[:2] {
		want{false, facts.Range, "", facts.Answered, "OK"}.check(t, l)
		want{true, facts.Handshake, tlsprobe.None, facts.Mismatch, ""}.check(t, l)
		if l.Served != nil {
			t.Errorf("%s: TLS without TLS: %+v", l.URL, l.Served)
		}
	}
	for _, w := range []want{
		{false, facts.GetMetrics, "", facts.Answered, "HTTP 200"},
		{false, facts.GetHealth, "", facts.Answered, "HTTP 200"},
		{false, facts.GetVars, "", facts.Answered, "HTTP 404"},
	} {
		w.check(t, wire.Listeners[2])
	}
}

func TestAPortThatAsksForNoCertificateLetsEveryoneIn(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, "--auto-tls", "--peer-auto-tls", "--log-level=debug")
	wire := probe(t, tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Targets: e.targets()})
	for _, who := range []string{tlsprobe.None, tlsprobe.SelfSigned, tlsprobe.ForgedIssuer, tlsprobe.Own} {
		want{true, facts.Range, who, facts.Answered, "OK"}.check(t, wire.Listeners[0])
		want{true, facts.RangeAll, who, facts.Answered, "OK"}.check(t, wire.Listeners[0])
		want{true, facts.GetMembers, who, facts.Answered, "HTTP 200"}.check(t, wire.Listeners[1])
	}
	// Debug logging brings pprof, whatever --enable-pprof says.
	want{true, facts.GetPprof, tlsprobe.None, facts.Answered, "HTTP 200"}.check(t, wire.Listeners[0])
	own, _ := wire.Listeners[0].Exchange(true, facts.Range, tlsprobe.Own)
	if own.Asked || own.Sent {
		t.Errorf("no certificate was asked for, and yet: %+v", own)
	}
	if s := wire.Listeners[0].Served; s.Verified || !strings.Contains(s.ChainError, "unknown authority") || !s.Chain[0].IsCA {
		t.Errorf("served: %+v", s)
	}
}

func TestGivenCertificatesAreJudgedOneByOne(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t), newPKI(t)
	expired := p.issue(t, "expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	revoked := p.issue(t, "revoked")
	der, pem := p.revoke(t, revoked)
	config := tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Given: []tlsprobe.Identity{
		expired.identity(t, "expired"), revoked.identity(t, "revoked"), other.client.identity(t, "wrong CA"),
	}}
	e := start(t, components.Etcd, append(p.mutual(), "--client-crl-file="+der)...)
	config.Targets = e.targets()[:1]
	l := probe(t, config).Listeners[0]
	for _, w := range []want{
		{true, facts.Range, "expired", facts.Refused, "expired certificate"},
		{true, facts.Range, "wrong CA", facts.Refused, "unknown certificate authority"},
		{true, facts.Range, "revoked", facts.Closed, "without an alert"},
		{true, facts.Range, tlsprobe.Own, facts.Answered, "OK"},
	} {
		w.check(t, l)
	}
	// A list that cannot be read refuses everyone, and looks like a revoked certificate.
	e = start(t, components.Etcd, append(p.mutual(), "--client-crl-file="+pem)...)
	config.Targets = e.targets()[:1]
	l = probe(t, config).Listeners[0]
	want{true, facts.Range, "revoked", facts.Closed, ""}.check(t, l)
	want{true, facts.Range, tlsprobe.Own, facts.Closed, ""}.check(t, l)
}

// etcd refuses a name by an alert where it is listed (allowed-cn, allowed-hostname), and
// without one where it compares a peer's names with its address.
func TestARefusedNameIsToldApartFromARefusedCA(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t), newPKI(t)
	named := p.issue(t, "named", onLoopback)
	elsewhere := p.issue(t, "elsewhere", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} })
	config := tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Given: []tlsprobe.Identity{
		named.identity(t, "named"), elsewhere.identity(t, "elsewhere"), other.client.identity(t, "wrong CA"),
	}}
	member := start(t, components.Etcd, append(p.mutual(), "--client-cert-allowed-hostname=localhost")...)
	config.Targets = member.targets()
	wire := probe(t, config)
	for _, w := range []want{
		{true, facts.Range, tlsprobe.Own, facts.Refused, "bad certificate"},
		{true, facts.Range, "wrong CA", facts.Refused, "unknown certificate authority"},
		{true, facts.Range, "named", facts.Answered, "OK"},
	} {
		w.check(t, wire.Listeners[0])
	}
	for _, w := range []want{
		{true, facts.GetVersion, "elsewhere", facts.Closed, "without an alert"},
		{true, facts.GetVersion, "wrong CA", facts.Refused, "unknown certificate authority"},
		{true, facts.GetVersion, tlsprobe.Own, facts.Answered, "HTTP 200"},
	} {
		w.check(t, wire.Listeners[1])
	}
	member = start(t, components.Etcd, append(p.mutual(), "--peer-cert-allowed-cn=server")...)
	config.Targets = member.targets()[1:]
	l := probe(t, config).Listeners[0]
	want{true, facts.GetVersion, tlsprobe.Own, facts.Refused, "bad certificate"}.check(t, l)
	want{true, facts.GetVersion, "named", facts.Refused, "bad certificate"}.check(t, l)
}
