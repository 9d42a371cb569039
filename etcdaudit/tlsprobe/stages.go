package tlsprobe

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe/enumerate"
)

// stage is a part of what a listener is asked.
type stage func(*prober, context.Context)

// stages are all parts for an address of a purpose, in order. The first of them finds out
// whether something answers at all.
func stages(purpose facts.Purpose, passive bool) []stage {
	switch {
	case passive:
		return []stage{(*prober).passively}
	case purpose == facts.ClientPort:
		return []stage{(*prober).clientPlaintext, (*prober).handshakes, (*prober).ranges, (*prober).clientGets, (*prober).enumeration}
	case purpose == facts.PeerPort:
		return []stage{(*prober).peerPlaintext, (*prober).handshakes, (*prober).peerGets, (*prober).enumeration}
	}
	return []stage{(*prober).metricsPlaintext, (*prober).handshakes, (*prober).metricsGets, (*prober).enumeration}
}

// readable are what monitoring and debugging read.
func readable() []facts.Request {
	return []facts.Request{facts.GetMetrics, facts.GetHealth, facts.GetPprof, facts.GetVars}
}

func (p *prober) clientPlaintext(ctx context.Context) {
	first := p.plaintext(ctx, facts.GetVersion, append([]facts.Request{facts.GetProxy}, readable()...)...)
	if p.listener.Unreachable != "" {
		return
	}
	if p.silentSoFar() {
		// What waits for TLS would be silent to these as well, and no time would be left.
		for _, request := range []facts.Request{facts.Settings, facts.Range} {
			p.skip(ask{request: request}.describe(), "the listener was silent to plaintext")
		}
		return
	}
	p.do(ctx, ask{request: facts.Settings})
	r := p.do(ctx, ask{request: facts.Range})
	if r.Passed() {
		p.standIn(ctx, r, ask{request: facts.MemberList})
		p.do(ctx, ask{request: facts.RangeAll})
	}
	if r.Passed() || r.Outcome == facts.Mismatch && first.Outcome == facts.Answered {
		p.do(ctx, ask{request: facts.GatewayRange})
	}
}

func (p *prober) peerPlaintext(ctx context.Context) {
	p.plaintext(ctx, facts.GetVersion, facts.GetMembers)
}

func (p *prober) metricsPlaintext(ctx context.Context) {
	p.plaintext(ctx, facts.GetMetrics, readable()[1:]...)
}

// plaintext asks for first, and for the others if that was answered, or if the URL is one of
// plaintext: a proxy may serve one page and not the other. It returns the first answer.
func (p *prober) plaintext(ctx context.Context, first facts.Request, others ...facts.Request) reply {
	r := p.do(ctx, ask{request: first})
	if r.Outcome == facts.Failed {
		p.listener.Unreachable = r.Said
	}
	if r.Outcome == facts.Answered || r.Outcome == facts.Mismatch && !p.at.secure {
		for _, request := range others {
			p.do(ctx, ask{request: request})
		}
	}
	return r
}

// handshakes finds out whether TLS is spoken, and shows a control with the name that a
// client of the URL sends.
func (p *prober) handshakes(ctx context.Context) {
	first := p.do(ctx, ask{tls: true, request: facts.Handshake, who: p.who.none})
	switch first.Outcome {
	case facts.Mismatch, facts.Silent, facts.Failed, 0:
		p.unheard, p.alerted = true, first.alert
	}
	if p.unheard && !p.alerted {
		if (first.Outcome == facts.Silent || !first.made) && p.silentSoFar() {
			p.listener.Unreachable = fmt.Sprintf("silent for %s", p.spent.Round(time.Second))
		}
		return
	}
	control := p.who.none
	if p.who.own != nil {
		control = p.who.own
	}
	second := p.do(ctx, ask{tls: true, request: facts.Handshake, who: control, ownName: true})
	if p.unheard && second.Outcome == facts.Answered {
		// A server that knows no other names than its own (alert "unrecognized name").
		p.unheard, p.name = false, p.at.name
	}
	if issuer, keyID := p.issuer(); issuer != nil {
		if forged, err := p.who.forge(issuer, keyID, p.Now()); err == nil {
			p.forged = forged
		}
	}
}

// silentSoFar reports whether nothing has ever answered.
func (p *prober) silentSoFar() bool {
	for _, e := range p.listener.Exchanges {
		if e.Outcome != facts.Silent {
			return false
		}
	}
	return true
}

// issuer is the name of the CA that clients should have: the first that the server lists,
// else the one that issued its own certificate.
func (p *prober) issuer() (name, keyID []byte) {
	chain := p.served.f.Chain
	if len(chain) > 0 {
		name, keyID = chain[0].RawIssuer, chain[0].AuthorityKeyId
	}
	if listed := p.served.f.AcceptableCAs; len(listed) > 0 && !bytes.Equal(listed[0], name) {
		return listed[0], nil
	}
	return name, keyID
}

// everyone are all identities, those that are to be refused first.
func (p *prober) everyone() []*Identity {
	return append([]*Identity{p.who.none, p.who.selfSigned, p.forged}, p.who.accepted()...)
}

// ranges asks for one key as everyone, and for one of all keys as those who were let in.
// Where gRPC is not spoken (--listen-client-http-urls) everyone asks through the gateway.
func (p *prober) ranges(ctx context.Context) {
	if p.unheard {
		return
	}
	onlyHTTP := false
	for _, who := range p.everyone() {
		r := p.do(ctx, ask{tls: true, request: facts.Range, who: who})
		if r.Passed() {
			p.standIn(ctx, r, ask{tls: true, request: facts.MemberList, who: who})
			p.do(ctx, ask{tls: true, request: facts.RangeAll, who: who})
		}
		onlyHTTP = onlyHTTP || r.Outcome == facts.Mismatch
	}
	if onlyHTTP {
		for _, who := range p.everyone() {
			p.do(ctx, ask{tls: true, request: facts.GatewayRange, who: who})
		}
	}
}

func (p *prober) clientGets(ctx context.Context) {
	if p.unheard {
		return
	}
	for _, who := range p.noneAndOwn() {
		for _, request := range append([]facts.Request{facts.GetVersion, facts.GetProxy}, readable()...) {
			p.do(ctx, ask{tls: true, request: request, who: who})
		}
		if _, asked := p.listener.Exchange(true, facts.GatewayRange, who.Label); !asked {
			p.do(ctx, ask{tls: true, request: facts.GatewayRange, who: who})
		}
	}
}

func (p *prober) metricsGets(ctx context.Context) {
	if p.unheard {
		return
	}
	for _, who := range p.noneAndOwn() {
		for _, request := range readable() {
			p.do(ctx, ask{tls: true, request: request, who: who})
		}
	}
}

// peerGets asks for the version as everyone, and for the members as those who were let in.
func (p *prober) peerGets(ctx context.Context) {
	if p.unheard {
		return
	}
	for _, who := range p.everyone() {
		r := p.do(ctx, ask{tls: true, request: facts.GetVersion, who: who})
		if r.Passed() {
			p.do(ctx, ask{tls: true, request: facts.GetMembers, who: who})
		}
	}
}

func (p *prober) noneAndOwn() []*Identity {
	if p.who.own == nil {
		return []*Identity{p.who.none}
	}
	return []*Identity{p.who.none, p.who.own}
}

// passively does what a client of the URL does.
func (p *prober) passively(ctx context.Context) {
	who := p.who.none
	if p.who.own != nil {
		who = p.who.own
	}
	requests := passiveRequests(p.target.Purpose)
	if p.at.secure {
		requests = append([]facts.Request{facts.Handshake}, requests...)
	}
	for n, request := range requests {
		r := p.do(ctx, ask{tls: p.at.secure, request: request, who: who, ownName: true})
		if n == 0 && (r.Outcome == facts.Failed || r.Outcome == facts.Silent) {
			p.listener.Unreachable = r.Said
			return
		}
	}
}

func passiveRequests(purpose facts.Purpose) []facts.Request {
	switch purpose {
	case facts.ClientPort:
		return []facts.Request{facts.GetVersion, facts.GetHealth, facts.Range}
	case facts.PeerPort:
		return []facts.Request{facts.GetVersion}
	}
	return []facts.Request{facts.GetHealth, facts.GetMetrics}
}

// enumeration finds all versions, suites and groups.
func (p *prober) enumeration(ctx context.Context) {
	if p.unheard && !p.alerted || !p.Enumerate || p.spent >= p.Limits.Silence {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.Limits.Enumeration)
	defer cancel()
	who := p.who.none
	if p.who.own != nil {
		who = p.who.own
	}
	p.served.enumerated(enumerate.Run(limited, enumerate.Options{
		ServerName: p.name, Certificate: who.pair,
		Connect: func(ctx context.Context, shake func(net.Conn) enumerate.Shake) error {
			return p.offer(ctx, who, shake)
		},
	}))
}

// errSpent ends the enumeration of a listener that was silent for too long.
var errSpent = errors.New("the listener was silent for too long")

// offer makes one connection of the enumeration.
func (p *prober) offer(ctx context.Context, who *Identity, shake func(net.Conn) enumerate.Shake) error {
	if p.spent >= p.Limits.Silence {
		return errSpent
	}
	if err := p.pace(ctx, p.Config); err != nil {
		return err
	}
	e := facts.Exchange{TLS: true, Request: facts.Offer, Identity: who.Label, ServerName: p.name, At: p.Now()}
	start := time.Now()
	l, _, end, err := dial(ctx, p.at, p.limit(p.Limits))
	how := dialEnding(err)
	if err == nil {
		e.Local = l.LocalAddr().String()
		s := shake(l)
		end()
		e.Asked, e.Sent = s.Asked, s.Sent
		how = offerEnding(s)
	}
	e.Outcome, e.Said = how.outcome, how.said
	if e.Outcome == facts.Silent {
		p.spent += time.Since(start)
	}
	p.record(e)
	return err
}

// offerEnding says how a handshake of the enumeration ended. What it was about is in
// facts.Served.
func offerEnding(s enumerate.Shake) ending {
	how := ending{outcome: facts.Answered, said: "complete"}
	if s.Err != nil {
		how = handshakeEnding(s.Err, shake{asked: s.Asked})
	}
	if s.Chosen && how.outcome == facts.Mismatch {
		// The probe itself ends a handshake with a suite that it cannot go on with.
		how = ending{outcome: facts.Answered, said: "a suite was chosen"}
	}
	return how
}

// path is the path of a request of HTTP.
func path(r facts.Request) string {
	_, path, _ := strings.Cut(string(r), " ")
	return path
}

func gatewayRange(prefix string) string {
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`{"key":%q,"range_end":%q,"limit":1,"serializable":true,"keys_only":true}`, text([]byte(prefix)), text(prefixEnd(prefix)))
}
