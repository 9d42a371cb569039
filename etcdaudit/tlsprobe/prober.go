package tlsprobe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// prober connects to one listener, one connection after the other.
type prober struct {
	Config
	*line
	target   Target
	at       address
	who      *identities
	progress func(Target, facts.Exchange)
	listener facts.Listener
	// forged is the forged issuer of this listener.
	forged *Identity
	served served
	// name is the server name that is sent.
	name string
	// unheard is set where no handshake can be completed: no request can be sent over TLS.
	// alerted is set if the server speaks TLS all the same.
	unheard, alerted bool
	// genuine is set by an answer that etcd gives, foreign by one that etcd never gives: it
	// says what gave it.
	genuine bool
	foreign string
}

func newProber(c Config, t Target, at address, l *line, who *identities, progress func(Target, facts.Exchange)) *prober {
	p := &prober{
		Config: c, line: l, target: t, at: at, who: who, progress: progress, forged: who.forged, name: ServerName,
		listener: facts.Listener{Purpose: t.Purpose, URL: t.URL, Member: t.Member, Found: t.Found},
	}
	if at.network == "unix" {
		p.listener.Socket = &facts.Socket{Endpoint: t.URL, Path: hostfacts.Stat(at.dial), Way: hostfacts.Way(at.dial), Dir: filepath.Dir(at.dial)}
	}
	for _, asked := range c.Asked {
		if asked.at(t.Purpose, at) {
			p.listener.Exchanges = append(p.listener.Exchanges, asked.Exchange)
		}
	}
	return p
}

// ask is one connection and its request.
type ask struct {
	tls     bool
	request facts.Request
	who     *Identity
	// ownName sends the name in the URL and not ServerName.
	ownName bool
}

// reply is what an ask has shown beside its facts.Exchange.
type reply struct {
	facts.Exchange
	answer
	made bool
}

// run makes all connections to the listener.
func (p *prober) run(ctx context.Context) {
	for _, stage := range stages(p.target.Purpose, p.Passive) {
		stage(p, ctx)
		if ctx.Err() != nil || p.listener.Unreachable != "" {
			break
		}
	}
	p.listener.Served = p.served.facts(p.CA, p.at.host, p.Now())
	if p.foreign != "" && !p.genuine {
		p.listener.Foreign, p.listener.Behind = true, p.foreign
	}
}

// do makes one connection, unless the listener has cost too much already. One that ended late
// and without a word is made again: a server of HTTP/2 ends it where it, or this program, was
// held up (net/http2 waits 10 s for a client's preface, and 2 s for its SETTINGS), which is no
// refusal. Three in a row are no accident.
func (p *prober) do(ctx context.Context, a ask) (r reply) {
	for attempt := 1; ; attempt++ {
		began := time.Now()
		r = p.once(ctx, a)
		took := time.Since(began)
		if attempt == 3 || r.Outcome != facts.Closed || took < p.Limits.Late {
			break
		}
		p.spent += took
		p.skip(a.describe(), fmt.Sprintf("ended after %s without an alert, as if something was held up: asked again", took.Round(time.Millisecond)))
	}
	if r.made {
		p.learn(r)
		p.record(r.Exchange)
	}
	return r
}

// once makes one connection.
func (p *prober) once(ctx context.Context, a ask) reply {
	if p.spent >= p.Limits.Silence {
		p.skip(a.describe(), fmt.Sprintf("the listener was silent for %s in total", p.Limits.Silence))
		return reply{}
	}
	if err := p.pace(ctx, p.Config); err != nil {
		return reply{}
	}
	r := reply{made: true, Exchange: facts.Exchange{TLS: a.tls, Request: a.request, At: p.Now()}}
	if a.tls {
		r.Identity = a.who.Label
		r.ServerName = p.name
		if a.ownName {
			r.ServerName = p.at.name
		}
	}
	switch a.request {
	case facts.Range, facts.GatewayRange:
		r.Prefix = p.Prefix
	}
	start := time.Now()
	r.answer = p.connect(ctx, a, &r.Exchange)
	r.Outcome, r.Said = r.outcome, r.said
	if r.Outcome == facts.Silent {
		p.spent += time.Since(start)
	}
	return r
}

// record keeps a connection.
func (p *prober) record(e facts.Exchange) {
	p.listener.Exchanges = append(p.listener.Exchanges, e)
	if p.progress != nil {
		p.progress(p.target, e)
	}
}

func (a ask) describe() string {
	if !a.tls {
		return string(a.request) + " in plaintext"
	}
	return fmt.Sprintf("%s as %q", a.request, a.who.Label)
}

func (p *prober) skip(what, why string) {
	p.listener.Skipped = append(p.listener.Skipped, facts.Missing{What: what, Why: why})
}

// connect makes the connection of an ask and closes it.
func (p *prober) connect(ctx context.Context, a ask, e *facts.Exchange) answer {
	l, deadline, end, err := dial(ctx, p.at, p.limit(p.Limits))
	if err != nil {
		return answer{ending: dialEnding(err)}
	}
	defer end()
	e.Local = l.LocalAddr().String()
	if !a.tls {
		return p.request(l, a)
	}
	conn, seen, err := handshake(ctx, l, deadline, e.ServerName, p.protocols(a.request), a.who)
	e.Asked, e.Sent = seen.asked, seen.sent
	p.served.note(seen, e.ServerName == p.at.name)
	if err != nil {
		return answer{ending: handshakeEnding(err, seen)}
	}
	defer func() { _ = conn.Close() }()
	if a.request == facts.Handshake {
		return answer{ending: afterHandshake(conn, l)}
	}
	return p.request(conn, a)
}

// afterHandshake says whether a handshake that was complete for the client is one for the
// server. Only under TLS 1.3 the server judges the client's certificate after that.
func afterHandshake(conn *tls.Conn, l *link) ending {
	if !l.told() {
		return ending{outcome: facts.Answered, said: "complete"}
	}
	// What has arrived is read; what has not is not waited for.
	if err := l.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		return ending{outcome: facts.Answered, said: "complete"}
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil && !timedOut(err) {
		return answerEnding(err, true)
	}
	return ending{outcome: facts.Answered, said: "complete"}
}

// protocols are those that are named in a handshake (ALPN). For HTTP/1.1 none is named:
// etcd's peer port would answer nothing to h2, and a server that knows h2 only accepts a
// client that names none. A handshake alone finds out whether TLS is spoken, so it must not
// fail because of the protocol.
func (p *prober) protocols(r facts.Request) []string {
	switch r {
	case facts.Range, facts.RangeAll, facts.MemberList, facts.Settings:
		return []string{"h2"}
	case facts.Handshake:
		if p.target.Purpose == facts.ClientPort {
			return []string{"h2", "http/1.1"}
		}
	}
	return nil
}

// request asks and reads the answer.
func (p *prober) request(conn net.Conn, a ask) answer {
	host := p.at.authority()
	switch a.request {
	case facts.Range:
		return askGRPC(conn, a.tls, host, rangeRPC, rangeRequest([]byte(p.Prefix), prefixEnd(p.Prefix)))
	case facts.RangeAll:
		return askGRPC(conn, a.tls, host, rangeRPC, rangeRequest([]byte{0}, []byte{0}))
	case facts.MemberList:
		return askGRPC(conn, a.tls, host, memberListRPC, nil)
	case facts.Settings:
		return askSettings(conn, a.tls)
	case facts.GatewayRange:
		return askHTTP(conn, a.tls, host, "POST", "/v3/kv/range", gatewayRange(p.Prefix))
	}
	return askHTTP(conn, a.tls, host, "GET", path(a.request), "")
}
