package facts

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// Wire is what connections to etcd have shown.
type Wire struct {
	Listeners  []Listener
	Identities []Identity
	// Passive is set where nothing was sent that a normal client would not send.
	Passive bool
	// Now is the time that validity is judged at.
	Now time.Time
	// Missing are addresses that should have been tested and could not be found, each
	// with its reason: "peer addresses: no client certificate to ask for the member list".
	Missing []Missing
}

// Missing is something that could not be looked at.
type Missing struct{ What, Why, Do string }

// Purpose is what an address of etcd is for.
type Purpose string

// The purposes of an address.
const (
	ClientPort  Purpose = "client"
	PeerPort    Purpose = "peer"
	MetricsPort Purpose = "metrics"
)

// Listener is one address and what answered there.
type Listener struct {
	Purpose Purpose
	// URL is as it was given or found, and always has its scheme: "https://192.0.2.1:2379",
	// "unixs:///run/etcd.sock". Of an address that was found with http and with https it is
	// the latter.
	URL string
	// Member is the member's name; empty if that is not known.
	Member string
	// Found says where the address was found: "given", "member list", "--etcd-servers".
	Found []string
	// Behind is what stands in front of etcd and was tested in its place: "grpc-proxy",
	// "kine", "a proxy that ends TLS"; empty if nothing shows one.
	Behind string
	// Foreign is whether no answer was one of etcd, and others were given: Behind is what
	// answers, "an HTTP server that is not etcd". Nothing here is a fact about an etcd then.
	Foreign bool
	// Version is the version that etcd itself told; empty if it did not.
	Version string
	// Unreachable is why nothing is known: "nothing listens there", "silent for 10 s".
	Unreachable string
	// Socket is the file of a socket; nil for other addresses. It does not exist where
	// nothing was found at its path.
	Socket *Socket
	// Exchanges are all connections, in order.
	Exchanges []Exchange
	// Served is what TLS showed; nil where no TLS is spoken.
	Served *Served
	// Skipped are probes that were not made, and connections that were made again, and why.
	Skipped []Missing
}

// Request is what was asked on a connection.
type Request string

// The requests. Those of gRPC are serializable Ranges with a limit of 1.
const (
	// Handshake is TLS alone, without a request.
	Handshake Request = "TLS handshake"
	// Offer is one handshake of the enumeration, which offers a part of all versions, suites
	// and groups. It says nothing about access.
	Offer Request = "TLS handshake with a part of all suites"
	// Range reads one key under the prefix that was given; RangeAll one of all keys, which
	// etcd's RBAC allows to full access only.
	Range    Request = "Range"
	RangeAll Request = "Range of everything"
	// Settings waits for the SETTINGS frame of HTTP/2.
	Settings Request = "HTTP/2 SETTINGS"
	// Of HTTP/1.1:
	GetVersion Request = "GET /version"
	GetMembers Request = "GET /members"
	GetMetrics Request = "GET /metrics"
	GetHealth  Request = "GET /health"
	GetPprof   Request = "GET /debug/pprof/"
	GetVars    Request = "GET /debug/vars"
	// GetProxy is a path that only a grpc-proxy has.
	GetProxy Request = "GET /proxy/metrics"
	// MemberList is of gRPC, and not linearizable.
	MemberList Request = "MemberList"
	// GatewayRange reads one key through the JSON gateway, POST /v3/kv/range.
	GatewayRange Request = "POST /v3/kv/range"
)

// ShowsAccess reports whether the answer to a request shows that a client was let in. A
// handshake alone does not: under TLS 1.3 a refusal comes after it. Nor does the SETTINGS
// frame, which a server may send first.
func (r Request) ShowsAccess() bool { return r != Handshake && r != Offer && r != Settings }

// Outcome is how a connection ended.
type Outcome uint8

// The outcomes of a connection.
const (
	// Answered: the server did what was asked. A 404 of HTTP is Answered with its code in
	// Said: it shows that the client was let in.
	Answered Outcome = iota + 1
	// Denied: the connection was accepted, and etcd's own RBAC refused the request.
	Denied
	// Refused: a TLS alert refused the client, in the handshake or at the first read: no
	// certificate, one of another CA, or a name that --client-cert-allowed-hostname and its
	// like do not list ("bad certificate").
	Refused
	// Closed: the handshake was complete, and the connection ended without an alert: a
	// revoked certificate, a CRL that cannot be read, or, at a peer address, a certificate
	// that is not for the address that it comes from (etcd, client/pkg/transport).
	Closed
	// Mismatch: the server does not speak that protocol, and said so or ended the connection
	// before a handshake was complete.
	Mismatch
	// Silent: nothing came within the time limit.
	Silent
	// Failed: the connection could not be made.
	Failed
)

// Exchange is one connection with its one request.
type Exchange struct {
	// TLS is whether the request went over TLS, and Request what was asked.
	TLS     bool
	Request Request
	// Prefix is that of a Range.
	Prefix string
	// Identity is the label of the client certificate; empty over plaintext.
	Identity string
	// Asked is whether the server asked for a certificate, Sent whether one was sent.
	Asked, Sent bool
	// ServerName is the name that was sent (SNI), empty for none.
	ServerName string
	Outcome    Outcome
	// Said is the answer in a few words: "alert: certificate required", "HTTP 200",
	// "etcdserver: permission denied". It holds nothing that was read from etcd.
	Said  string
	Local string // the local address
	At    time.Time
}

// Passed reports whether the server let the client in, whatever it answered then.
func (e Exchange) Passed() bool { return e.Outcome == Answered || e.Outcome == Denied }

// Code is the status code of an answer in HTTP; empty for none.
func (e Exchange) Code() string {
	after, ok := strings.CutPrefix(e.Said, "HTTP ")
	if !ok || len(after) < 3 {
		return ""
	}
	return after[:3]
}

// RefusedByHTTP reports whether a client was refused in HTTP, by its certificate or the lack
// of one: nginx completes the handshake without a certificate, and then answers 400. etcd
// answers so only through its gateway, where its RBAC denies a caller.
func (e Exchange) RefusedByHTTP() bool {
	return e.Outcome == Answered && slices.Contains([]string{"400", "401", "403", "495", "496"}, e.Code())
}

// IdentityKind is how the certificate of an identity came about.
type IdentityKind uint8

// The kinds of identities.
const (
	// NoCertificate sends none.
	NoCertificate IdentityKind = iota + 1
	// SelfSigned is made on the fly and signed by its own key.
	SelfSigned
	// ForgedIssuer is made on the fly and signed by a CA of our own with the name of the
	// server's own.
	ForgedIssuer
	// Own is the certificate that the auditor itself connects with (--cert).
	Own
	// Given is one of --probe-cert.
	Given
)

// Identity is one client that connections were made as.
type Identity struct {
	// Label is that of --probe-cert, else "none", "self-signed", "forged issuer" or "own".
	Label string
	Kind  IdentityKind
	// Chain is what was sent, the leaf first; empty for NoCertificate.
	Chain []*x509.Certificate
	File  string // empty for what was made on the fly
}

// Intended reports whether etcd is meant to accept the identity: the auditor's own, and
// those with these labels. All others are to be refused.
func (i Identity) Intended() bool {
	switch {
	case i.Kind == Own:
		return true
	case i.Kind != Given:
		return false
	}
	switch i.Label {
	case "apiserver", "client", "control", "healthcheck", "member", "peer", "root":
		return true
	}
	return false
}

// Served is what a listener showed in TLS. Numbers are those of IANA.
type Served struct {
	// Versions are the accepted protocol versions (0x0303 is TLS 1.2), and Suites the
	// accepted suites of each. Enumerated is whether all were tried; else they are
	// what came up in the other exchanges.
	Versions   []uint16
	Suites     map[uint16][]uint16
	Groups     []uint16 // groups of the key exchange, 4588 is X25519MLKEM768
	Enumerated bool
	// NotOffered are what could not be tried, such as "TLS 1.0", and why.
	NotOffered []Missing
	Chain      []*x509.Certificate
	// ChainError is why Go does not verify the chain with the CA that was given, for the
	// name in the URL; empty if it does, or if no CA was given (Verified is then false).
	ChainError string
	Verified   bool
	// AcceptableCAs are the names of CAs that the server lists for client certificates, as
	// DER (RFC 5246, 7.4.4). Empty where it asks for none, or takes the system's roots.
	AcceptableCAs [][]byte
}

// Exchange returns the first exchange of a request by an identity, over TLS or not.
func (l Listener) Exchange(tls bool, request Request, identity string) (Exchange, bool) {
	for _, e := range l.Exchanges {
		if e.TLS == tls && e.Request == request && e.Identity == identity {
			return e, true
		}
	}
	return Exchange{}, false
}

// Control returns an exchange over TLS in which an intended identity was let in by the same
// request. Without one a refusal proves nothing: the server may refuse everyone, be it by an
// alert or by an answer of HTTP.
func (w *Wire) Control(l Listener, request Request) (Exchange, bool) {
	for _, e := range l.Exchanges {
		if e.TLS && e.Request == request && e.Passed() && !e.RefusedByHTTP() && w.Identity(e.Identity).Intended() {
			return e, true
		}
	}
	return Exchange{}, false
}

// Identity returns the identity with a label.
func (w *Wire) Identity(label string) Identity {
	for _, i := range w.Identities {
		if i.Label == label {
			return i
		}
	}
	return Identity{}
}
