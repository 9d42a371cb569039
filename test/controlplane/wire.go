package controlplane

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Client is the address for clients.
func (n *Node) Client() *facts.Listener { return &n.Facts.Wire.Listeners[0] }

// Peer is the address for members.
func (n *Node) Peer() *facts.Listener { return &n.Facts.Wire.Listeners[1] }

// Metrics is the address for metrics.
func (n *Node) Metrics() *facts.Listener { return &n.Facts.Wire.Listeners[2] }

// Identify adds a certificate given with --probe-cert.
func (n *Node) Identify(label string, chain ...*x509.Certificate) {
	n.Facts.Wire.Identities = append(n.Facts.Wire.Identities, facts.Identity{Label: label, Kind: facts.Given, Chain: chain, File: label + ".crt"})
}

// Over TLS, or without.
const (
	TLS   = true
	Plain = false
)

// Says sets how an address ends the exchanges of a request by an identity. Over plaintext
// the identity is empty.
func Says(l *facts.Listener, tls bool, request facts.Request, identity string, outcome facts.Outcome, said string) {
	Unasked(l, func(e facts.Exchange) bool { return e.TLS == tls && e.Request == request && e.Identity == identity })
	l.Exchanges = append(l.Exchanges, facts.Exchange{
		TLS: tls, Request: request, Identity: identity, Asked: tls, Sent: tls && identity != "none",
		Outcome: outcome, Said: said, Local: "127.0.0.1:40000", At: Now.Add(-time.Minute),
	})
}

// Unasked takes away the exchanges that match.
func Unasked(l *facts.Listener, match func(facts.Exchange) bool) {
	l.Exchanges = slices.DeleteFunc(l.Exchanges, match)
}

// As matches the exchanges of an identity.
func As(identity string) func(facts.Exchange) bool {
	return func(e facts.Exchange) bool { return e.TLS && e.Identity == identity }
}

func clientPort(cert *x509.Certificate) facts.Listener {
	l := facts.Listener{Purpose: facts.ClientPort, URL: "https://127.0.0.1:2379", Member: "node", Found: []string{"--etcd-servers"}, Version: "3.7.3", Served: served(cert)}
	Says(&l, Plain, facts.GetVersion, "", facts.Mismatch, "connection reset")
	Says(&l, Plain, facts.Settings, "", facts.Mismatch, "EOF")
	Says(&l, Plain, facts.Range, "", facts.Mismatch, "EOF")
	refuseStrangers(&l, facts.Range)
	Says(&l, TLS, facts.Range, "own", facts.Answered, "")
	Says(&l, TLS, facts.RangeAll, "own", facts.Answered, "")
	for request, said := range map[facts.Request]string{facts.GetMetrics: "HTTP 200", facts.GetPprof: "HTTP 404", facts.GetVars: "HTTP 200"} {
		Says(&l, TLS, request, "none", facts.Refused, "alert: certificate required")
		Says(&l, TLS, request, "own", facts.Answered, said)
	}
	return l
}

func peerPort(cert *x509.Certificate) facts.Listener {
	l := facts.Listener{Purpose: facts.PeerPort, URL: "https://" + Address + ":2380", Member: "node", Found: []string{"member list"}, Served: served(cert)}
	Says(&l, Plain, facts.GetVersion, "", facts.Mismatch, "EOF")
	refuseStrangers(&l, facts.GetVersion)
	Says(&l, TLS, facts.GetVersion, "own", facts.Answered, "HTTP 200")
	return l
}

func refuseStrangers(l *facts.Listener, request facts.Request) {
	Says(l, TLS, request, "none", facts.Refused, "alert: certificate required")
	Says(l, TLS, request, "self-signed", facts.Refused, "alert: unknown certificate authority")
	Says(l, TLS, request, "forged issuer", facts.Refused, "alert: unknown certificate authority")
}

func metricsPort() facts.Listener {
	l := facts.Listener{Purpose: facts.MetricsPort, URL: "http://127.0.0.1:2381", Member: "node", Found: []string{"--listen-metrics-urls"}}
	Says(&l, Plain, facts.GetMetrics, "", facts.Answered, "HTTP 200")
	Says(&l, Plain, facts.GetPprof, "", facts.Answered, "HTTP 404")
	Says(&l, Plain, facts.GetVars, "", facts.Answered, "HTTP 404")
	return l
}

func served(cert *x509.Certificate) *facts.Served {
	return &facts.Served{
		Versions: []uint16{0x0303, 0x0304}, Enumerated: true, Groups: []uint16{4588, 29, 23, 24, 25}, Verified: true,
		Suites: map[uint16][]uint16{0x0303: {0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a}, 0x0304: {0x1301, 0x1302, 0x1303}},
		Chain:  []*x509.Certificate{cert},
	}
}
