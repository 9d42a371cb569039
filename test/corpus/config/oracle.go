package config

import (
	"context"
	"crypto/tls"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

// opinion is what an oracle has to say about a rule.
type opinion uint8

const (
	good    opinion = iota + 1 // the label must be pass
	bad                        // warn or fail
	unclear                    // not evaluated: no client can tell here
	absent                     // not applicable
)

func (o opinion) String() string {
	return [...]string{"", "good", "bad", "unclear", "absent"}[o]
}

// allows reports whether a label agrees. How bad it is no client can say.
func (o opinion) allows(label check.Status) bool {
	switch o {
	case good:
		return label == check.Pass
	case bad:
		return label.Finding()
	case unclear:
		return label == check.NotEvaluated
	default:
		return label == check.NotApplicable
	}
}

// oracle decides the label of one rule by what clients saw of a live process, and says what
// it saw.
type oracle[T any] func(context.Context, T) (opinion, string, error)

// etcdOracles are the oracles of etcd's cases, by rule. A label of another rule names in
// "by" what decides it.
func etcdOracles() map[string]oracle[*liveEtcd] {
	return map[string]oracle[*liveEtcd]{
		"EA-301": onWire(plaintext), "EA-403": plaintext,
		"EA-302": onWire(anonymous), "EA-404": ownCAOnly,
		"EA-303": demanded(otherIssuers),
		"EA-304": demanded(onlyIntended),
		"EA-305": demanded(fullAccess),
		"EA-306": demanded(caOfItsOwn),
		"EA-307": withPeer(peersDemand), "EA-405": peersDemand,
		"EA-308": withPeer(peersRefuseClients),
		"EA-309": enumerated(oldVersions),
		"EA-310": enumerated(weakSuites),
		"EA-311": enumerated(noForwardSecrecy),
		"EA-312": onWire(postQuantum),
		"EA-313": onWire(servedIsValid),
		"EA-314": onWire(keyStrength),
		"EA-315": onWire(keyUsages),
		"EA-316": onWire(selfSigned), "EA-406": autoTLS,
		"EA-317": withPeer(peersRefuseClients), // no case with it tells peers apart by name
		"EA-318": onWire(servedAndTrusted), "EA-413": trustedIsOnDisk,
		"EA-408": starts,
		"EA-409": metricsListener,
		"EA-319": onWire(metricsReadable),
		"EA-412": debugReadable,
		"EA-410": tlsSettings,
		"EA-411": revokedRefused,
	}
}

// onWire is an oracle about connections: where etcd refused to start there are none.
func onWire(o oracle[*liveEtcd]) oracle[*liveEtcd] {
	return func(ctx context.Context, l *liveEtcd) (opinion, string, error) {
		if l.process == nil {
			return unclear, "etcd does not start: " + l.refusal, nil
		}
		return o(ctx, l)
	}
}

// enumerated is an oracle about what a server takes beside what clients usually ask for. That
// it takes nothing bad is not seen where not all is tried.
func enumerated(o oracle[*liveEtcd]) oracle[*liveEtcd] {
	return onWire(func(ctx context.Context, l *liveEtcd) (opinion, string, error) {
		got, said, err := o(ctx, l)
		if got == good && !l.Etcd.Enumerate {
			return unclear, "the auditor is not asked to try all", err
		}
		return got, said, err
	})
}

// demanded is an oracle about which certificates are accepted. Where none is needed that is no
// question.
func demanded(o oracle[*liveEtcd]) oracle[*liveEtcd] {
	return onWire(func(ctx context.Context, l *liveEtcd) (opinion, string, error) {
		if got, err := l.as(ctx, ""); got.let || err != nil {
			return absent, "over TLS without a certificate " + got.said, err
		}
		if got, said, err := l.noTLS(ctx); got == absent || err != nil {
			return got, said, err
		}
		return o(ctx, l)
	})
}

// noTLS says why openssl completes no handshake at a client's address: because it speaks no
// TLS (absent), or for a reason that is not seen (unclear). It is 0 where one is completed.
func (l *liveEtcd) noTLS(ctx context.Context) (opinion, string, error) {
	if every, err := l.handshake(ctx); every.let || err != nil {
		return 0, "", err
	}
	if got, err := l.inPlaintext(ctx); got.let || err != nil {
		return absent, "openssl completes no handshake, and without TLS " + got.said, err
	}
	return unclear, "openssl completes no handshake, and nothing is answered without TLS", nil
}

// anywhere asks at each address until one lets the client in.
func anywhere(addresses []string, ask func(string) answer) (answer, error) {
	var last answer
	for _, address := range addresses {
		if last = ask(address); last.let || last.err != nil {
			break
		}
	}
	return last, last.err
}

// plaintext: is anything answered without TLS at a client's address?
func plaintext(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	got, err := l.inPlaintext(ctx)
	if err != nil {
		return 0, "", err
	}
	if l.plainSocket() { // who may use the file is meant to be answered
		if o, said, err := asNobody(ctx, l); o == bad || l.onlySocket() || err != nil {
			return o, said, err
		}
	}
	if got.let {
		return bad, "without TLS " + got.said, nil
	}
	for _, address := range l.clientAddresses() {
		if hello := l.openssl(ctx, address, l.own()...); !hello.let {
			return unclear, "openssl completes no handshake with " + address, hello.err
		}
	}
	return good, "openssl completes a handshake, without TLS " + got.said, nil
}

func (l *liveEtcd) inPlaintext(ctx context.Context) (answer, error) {
	addresses := l.clientAddresses()
	if l.onlySocket() {
		addresses = []string{l.vars["socket"]}
	}
	got, err := anywhere(addresses, func(a string) answer { return l.curl(ctx, at("http", a)+"/version", "") })
	if got.let || err != nil {
		return got, err
	}
	return anywhere(addresses, func(a string) answer { return l.rangeAs(ctx, at("http", a), "", oneKey) })
}

// own are the options with which openssl sends the certificate that etcd is meant to accept.
func (l *liveEtcd) own() []string {
	id := l.control()
	if id == "" {
		return nil
	}
	return []string{"-cert", l.file(id + ".crt"), "-key", l.file(id + ".key")}
}

// control is the identity that etcd is meant to accept, empty for none.
func (l *liveEtcd) control() string { return l.Etcd.own() }

const oneKey = "/registry/a"

// as reads with an identity over TLS.
func (l *liveEtcd) as(ctx context.Context, identity string) (answer, error) {
	return anywhere(l.clientAddresses(), func(a string) answer { return l.rangeAs(ctx, at("https", a), identity, oneKey) })
}

// onlySocket reports whether etcd listens for clients at a unix socket without TLS alone.
func (l *liveEtcd) onlySocket() bool { return l.plainSocket() && len(l.clientAddresses()) == 0 }

// anonymous: is a caller without a certificate answered?
func anonymous(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.onlySocket() {
		return absent, "etcd listens at a socket without TLS", nil
	}
	if got, err := l.inPlaintext(ctx); got.let || err != nil {
		return bad, "without TLS " + got.said, err
	}
	return l.refuses(ctx, "")
}

// refuses: is every one of these identities refused, and the right one answered?
func (l *liveEtcd) refuses(ctx context.Context, identities ...string) (opinion, string, error) {
	var said string
	for _, identity := range identities {
		got, err := l.as(ctx, identity)
		if err != nil {
			return 0, "", err
		}
		said = fmt.Sprintf("as %q %s", identity, got.said)
		if got.let {
			return bad, said, nil
		}
	}
	control, err := l.as(ctx, l.control())
	switch {
	case err != nil:
		return 0, "", err
	case !control.let:
		return unclear, "the right certificate is refused as well: " + control.said, nil
	}
	return good, said, nil
}

func otherIssuers(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	return l.refuses(ctx, "foreign", "self-signed")
}

// onlyIntended: of those that the case gives to the auditor, is one accepted?
func onlyIntended(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if len(l.Etcd.Known) == 0 {
		return unclear, "no certificate is given", nil
	}
	return l.refuses(ctx, l.Etcd.Known...)
}

// ownCAOnly: are callers without a certificate and of other CAs refused, and those of
// etcd's own CA answered?
func ownCAOnly(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	o, said, err := anonymous(ctx, l)
	if o != good || err != nil {
		// A refusal of etcd's own clients is no demand for a certificate of its own CA.
		if o == unclear {
			o = bad
		}
		return o, said, err
	}
	return otherIssuers(ctx, l)
}

// fullAccess: may the API server's certificate read everything?
func fullAccess(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	got, err := anywhere(l.clientAddresses(), func(a string) answer { return l.rangeAll(ctx, at("https", a), l.control()) })
	switch {
	case err != nil:
		return 0, "", err
	case strings.Contains(got.said, "permission denied"):
		return good, got.said, nil
	case got.let:
		return bad, got.said, nil
	}
	return unclear, got.said, nil
}

// peersDemand: does the peer address speak TLS only, and refuse a caller without a
// certificate and one of another CA?
func peersDemand(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	if name := l.abstractPeers(); name != "" {
		got := l.asAnother(ctx, "http://localhost/version", "--abstract-unix-socket", name)
		if !got.let {
			return unclear, got.said, got.err
		}
		return bad, "at an abstract socket " + got.said, nil
	}
	peer := l.vars["peer"]
	for _, ask := range []struct{ scheme, identity string }{{"http", ""}, {"https", ""}, {"https", "foreign"}, {"https", "self-signed"}} {
		got := l.curl(ctx, at(ask.scheme, peer)+"/version", ask.identity)
		if got.err != nil {
			return 0, "", got.err
		}
		if got.let {
			return bad, fmt.Sprintf("over %s as %q %s", ask.scheme, ask.identity, got.said), nil
		}
	}
	if got := l.peerControl(ctx); !got.let {
		return unclear, "a peer is refused as well: " + got.said, got.err
	}
	return good, "a peer is answered, and no other", nil
}

var abstractSocket = regexp.MustCompile(`"serving peer traffic","address":"@([^"]+)"`)

// abstractPeers is the name of the abstract socket that etcd says to serve peers at; empty for
// none.
func (l *liveEtcd) abstractPeers() string {
	log, err := l.process.Log()
	if m := abstractSocket.FindStringSubmatch(log); err == nil && m != nil {
		return m[1]
	}
	return ""
}

// peerControl is a request with the certificate of a member. Which one it is depends on
// the case.
func (l *liveEtcd) peerControl(ctx context.Context) (got answer) {
	for _, identity := range []string{"peer", "peer-of-ca"} {
		if got = l.curl(ctx, at("https", l.vars["peer"])+"/version", identity); got.let || got.err != nil {
			break
		}
	}
	return got
}

// withPeer is an oracle about a refusal at the peer address, which proves nothing to an
// auditor without a member's certificate.
func withPeer(o oracle[*liveEtcd]) oracle[*liveEtcd] {
	return onWire(func(ctx context.Context, l *liveEtcd) (opinion, string, error) {
		if l.Etcd.inFront() {
			return unclear, "the auditor knows the address in front alone", nil
		}
		got, said, err := o(ctx, l)
		if got == good && l.Etcd.peer() == "" {
			got = unclear
		}
		return got, said, err
	})
}

func peersRefuseClients(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	for _, scheme := range []string{"http", "https"} {
		if got := l.curl(ctx, at(scheme, l.vars["peer"])+"/version", ""); got.let || got.err != nil {
			return absent, "over " + scheme + " without a certificate " + got.said, got.err
		}
	}
	got := l.curl(ctx, at("https", l.vars["peer"])+"/version", "apiserver")
	if got.let || got.err != nil {
		return bad, "with a client's certificate " + got.said, got.err
	}
	if control := l.peerControl(ctx); !control.let {
		return unclear, "a peer is refused as well: " + control.said, control.err
	}
	return good, got.said, nil
}

// handshake: does openssl complete a handshake with these options at a client's address?
func (l *liveEtcd) handshake(ctx context.Context, options ...string) (answer, error) {
	return anywhere(l.clientAddresses(), func(a string) answer { return l.openssl(ctx, a, slices.Concat(l.own(), options)...) })
}

// whether returns bad if a handshake of these is completed, good if only another one is, and
// absent if none is.
func (l *liveEtcd) whether(ctx context.Context, what string, suites []uint16, options ...[]string) (opinion, string, error) {
	for _, o := range options {
		got, err := l.handshake(ctx, o...)
		if err != nil {
			return 0, "", err
		}
		if got.let {
			return bad, fmt.Sprintf("openssl completes a handshake with %s (%s)", what, strings.Join(o, " ")), nil
		}
	}
	if len(suites) > 0 {
		got, err := anywhere(l.clientAddresses(), func(a string) answer { return l.suites(ctx, a, l.control(), suites) })
		if got.let || err != nil {
			return bad, fmt.Sprintf("%s: %s", what, got.said), err
		}
	}
	if o, said, err := l.noTLS(ctx); o != 0 || err != nil {
		return o, said, err
	}
	return good, "no client completes a handshake with " + what, nil
}

const everySuite = "ALL:@SECLEVEL=0"

func oldVersions(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	return l.whether(ctx, "an old version", nil, []string{"-tls1", "-cipher", everySuite}, []string{"-tls1_1", "-cipher", everySuite})
}

// weakSuites asks openssl for suites without encryption or authentication, and Go for those
// that openssl is built without (RFC 9325, 4.1).
func weakSuites(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	return l.whether(ctx, "a weak suite", goSuites("RC4", "3DES"),
		[]string{"-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"})
}

func noForwardSecrecy(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	return l.whether(ctx, "an exchange by RSA", goSuites("TLS_RSA_"), []string{"-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"})
}

func tlsSettings(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return unclear, "etcd does not start: " + l.refusal, nil
	}
	if o, said, err := oldVersions(ctx, l); o != good || err != nil {
		return o, said, err
	}
	if o, said, err := weakSuites(ctx, l); o != good || err != nil {
		return o, said, err
	}
	if o, said, err := noForwardSecrecy(ctx, l); o != good || err != nil {
		return o, said, err
	}
	if got, err := l.handshake(ctx, "-tls1_3"); !got.let || err != nil {
		return bad, "openssl completes no handshake of TLS 1.3", err
	}
	return good, "no client completes a weak handshake", nil
}

func postQuantum(ctx context.Context, l *liveEtcd) (opinion, string, error) {
	if o, said, err := l.noTLS(ctx); o != 0 || err != nil {
		return o, said, err
	}
	if every, err := l.handshake(ctx, "-tls1_3"); !every.let || err != nil {
		if !l.Etcd.Enumerate {
			return unclear, "openssl completes no handshake of TLS 1.3, and the auditor is not asked to try all", err
		}
		return bad, "openssl completes no handshake of TLS 1.3", err
	}
	got, err := anywhere(l.clientAddresses(), func(a string) answer { return l.group(ctx, a, tls.X25519MLKEM768) })
	if got.let || err != nil {
		return good, got.said, err
	}
	return bad, got.said, nil
}

func starts(_ context.Context, l *liveEtcd) (opinion, string, error) {
	if l.process == nil {
		return bad, "etcd does not start: " + l.refusal, nil
	}
	return good, "etcd has started", nil
}
