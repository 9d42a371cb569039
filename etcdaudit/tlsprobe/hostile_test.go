package tlsprobe_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/testkit"
)

// serve runs a listener that is no etcd, and returns its address.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// patience are limits that a busy machine keeps with everything that answers at all.
var patience = tlsprobe.Limits{Answer: time.Minute, Silence: 2 * time.Minute, Interval: time.Millisecond, Enumeration: time.Minute}

func patient(targets ...tlsprobe.Target) tlsprobe.Config {
	return tlsprobe.Config{Targets: targets, Limits: patience}
}

func clientTarget(address string) tlsprobe.Target {
	return tlsprobe.Target{Purpose: facts.ClientPort, URL: "https://" + address}
}

func TestASilentListenerCostsALimitedTime(t *testing.T) {
	t.Parallel()
	address := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c := patient(clientTarget(address))
	c.Limits.Answer = 300 * time.Millisecond // for what never answers
	l := probe(t, c).Listeners[0]
	if !strings.Contains(l.Unreachable, "silent") || len(l.Exchanges) != 2 || len(l.Skipped) == 0 {
		t.Errorf("unreachable: %q, %d exchanges, skipped %v", l.Unreachable, len(l.Exchanges), l.Skipped)
	}
	// One that accepts TLS and is silent then: what is left is skipped, and says so.
	p := newPKI(t)
	config := p.serverConfig(t)
	address = serve(t, func(c net.Conn) {
		first := bufio.NewReader(c)
		if b, err := first.Peek(1); err != nil || b[0] != 22 {
			return
		}
		secured := tls.Server(&peeked{c, first}, config)
		if secured.Handshake() == nil {
			io.Copy(io.Discard, secured)
		}
	})
	c.Targets, c.Limits.Answer, c.Limits.Silence = []tlsprobe.Target{clientTarget(address)}, 15*time.Second, 15*time.Second
	l = probe(t, c).Listeners[0]
	want{true, facts.Handshake, tlsprobe.None, facts.Answered, "complete"}.check(t, l)
	want{true, facts.Range, tlsprobe.None, facts.Silent, ""}.check(t, l)
	if len(l.Skipped) == 0 || l.Unreachable != "" || l.Skipped[0].Why == "" {
		t.Errorf("skipped %v, unreachable %q", l.Skipped, l.Unreachable)
	}
}

type peeked struct {
	net.Conn
	first io.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.first.Read(b) }

func (p *pki) serverConfig(t *testing.T) *tls.Config {
	t.Helper()
	pair := testkit.Must(tls.LoadX509KeyPair(p.server.cert, p.server.key))(t)
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
}

// Whatever speaks another protocol is a mismatch, never an answer.
func TestOtherProtocolsAreNoAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(net.Conn){
		"SSH":       func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); io.Copy(io.Discard, c) },
		"closed":    func(net.Conn) {},
		"garbage":   func(c net.Conn) { c.Read(make([]byte, 100)); c.Write(make([]byte, 100<<10)) },
		"no end":    func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); io.Copy(c, endless{}) },
		"endless 1": func(c net.Conn) { io.Copy(c, endless{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := patient(clientTarget(serve(t, answer)))
			c.Enumerate = true
			l := probe(t, c).Listeners[0]
			if len(l.Exchanges) < 4 {
				t.Fatalf("%d exchanges: %s", len(l.Exchanges), l.Unreachable)
			}
			for _, e := range l.Exchanges {
				if e.Outcome != facts.Mismatch && e.Outcome != facts.Silent || strings.Contains(e.Said, "SSH-2") {
					t.Errorf("%s, TLS %v: %d %s", e.Request, e.TLS, e.Outcome, e.Said)
				}
			}
			if l.Served != nil {
				t.Errorf("served %+v", l.Served)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}

func TestAnEndlessBodyIsCut(t *testing.T) {
	t.Parallel()
	address := serve(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nServer: nginx\r\nTransfer-Encoding: chunked\r\n\r\n")
			for {
				if _, err := io.WriteString(c, "4\r\naaaa\r\n"); err != nil {
					return
				}
			}
		}
	})
	l := probe(t, patient(clientTarget(address))).Listeners[0]
	want{false, facts.GetMetrics, "", facts.Answered, "HTTP 200"}.check(t, l)
	if l.Behind != "an HTTP server that is not etcd (Server: nginx)" {
		t.Errorf("behind %q", l.Behind)
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	wire := probe(t, patient(clientTarget(freePort(t)), tlsprobe.Target{Purpose: facts.ClientPort, URL: "unix:///nowhere/sock"}))
	for i, text := range []string{"nothing listens there", "there is no such socket"} {
		if l := wire.Listeners[i]; l.Unreachable != text || len(l.Exchanges) != 1 {
			t.Errorf("%s: %q, %d exchanges", l.URL, l.Unreachable, len(l.Exchanges))
		}
	}
}

func TestAddressesThatCannotBeUsedAreErrors(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://user:hunter2@127.0.0.1:2379", "ftp://127.0.0.1:1", "https://127.0.0.1", "unix://", "https://127.0.0.1:%zz"} {
		_, err := tlsprobe.Run(t.Context(), tlsprobe.Config{Targets: []tlsprobe.Target{{URL: url}}}, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A terminating proxy may serve another certificate for each name: the one for the name
// in the URL is judged.
func TestTheCertificateForTheNameInTheURLIsJudged(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t), newPKI(t)
	right, wrong := p.serverConfig(t), other.serverConfig(t)
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName == "localhost" {
			return right, nil
		}
		return wrong, nil
	}}
	address := serve(t, func(c net.Conn) {
		secured := tls.Server(c, config)
		if secured.Handshake() == nil {
			secured.Close()
		}
	})
	_, port, _ := net.SplitHostPort(address)
	c := patient(clientTarget("localhost:" + port))
	c.CA = p.pool(t)
	s := probe(t, c).Listeners[0].Served
	if s == nil || !s.Verified || len(s.Chain) == 0 {
		t.Errorf("served %+v", s)
	}
}

// A proxy that serves HTTP/1.1 only, and says so in ALPN, refuses a client that names h2.
func TestAServerOfHTTP1OnlyIsExaminedOverTLS(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	for purpose, request := range map[facts.Purpose]facts.Request{
		facts.ClientPort: facts.GatewayRange, facts.PeerPort: facts.GetVersion, facts.MetricsPort: facts.GetMetrics,
	} {
		t.Run(string(purpose), func(t *testing.T) {
			t.Parallel()
			config := p.serverConfig(t)
			config.NextProtos = []string{"http/1.1"}
			address := serve(t, func(c net.Conn) {
				secured := tls.Server(c, config)
				if _, err := http.ReadRequest(bufio.NewReader(secured)); err == nil {
					io.WriteString(secured, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					secured.Close()
				}
			})
			c := patient(tlsprobe.Target{Purpose: purpose, URL: "https://" + address})
			c.CA = p.pool(t)
			l := probe(t, c).Listeners[0]
			want{true, facts.Handshake, tlsprobe.None, facts.Answered, "complete"}.check(t, l)
			want{true, request, tlsprobe.None, facts.Answered, "HTTP 200"}.check(t, l)
			if l.Served == nil || !l.Served.Verified {
				t.Errorf("served %+v", l.Served)
			}
		})
	}
}

// Under TLS 1.2 a client without a certificate is refused within the handshake. What was
// served before is not lost.
func TestWhatAServerOfTLS12ServesIsKnownWithoutACertificate(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	config := p.serverConfig(t)
	config.MaxVersion, config.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert
	address := serve(t, func(c net.Conn) {
		first := bufio.NewReader(c)
		if b, err := first.Peek(1); err == nil && b[0] == 22 {
			tls.Server(&peeked{c, first}, config).Handshake()
		}
	})
	c := patient(clientTarget(address))
	c.CA, c.Enumerate = p.pool(t), true
	l := probe(t, c).Listeners[0]
	want{true, facts.Range, tlsprobe.None, facts.Refused, "alert: "}.check(t, l)
	told{map[uint16][]uint16{tls12: {0xc009, 0xc00a, gcm128, gcm256, 0xcca9}}, []uint16{23, 24, 25, 29}}.check(t, l.Served)
	if !l.Served.Verified {
		t.Errorf("served %+v", l.Served)
	}
}

// A server of HTTP/2 ends a connection where either side was held up. Here every end is late.
func TestAnEndThatComesLateIsNotTakenForARefusalAtOnce(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	for name, tt := range map[string]struct {
		ends    int64 // of how many connections that ask for keys
		outcome facts.Outcome
	}{
		"twice":  {2, facts.Answered},
		"always": {1000, facts.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := p.serverConfig(t)
			var asked atomic.Int64
			address := serve(t, func(c net.Conn) {
				secured := tls.Server(c, config)
				if secured.Handshake() != nil || secured.ConnectionState().NegotiatedProtocol != "h2" {
					return
				}
				if _, err := io.ReadFull(secured, make([]byte, len(http2.ClientPreface))); err != nil || asked.Add(1) <= tt.ends {
					return
				}
				framer := http2.NewFramer(secured, secured)
				framer.WriteSettings()
				framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: accepted(t)})
				io.Copy(io.Discard, secured)
			})
			c := patient(clientTarget(address))
			c.Limits.Late = time.Nanosecond
			l := probe(t, c).Listeners[0]
			e, _ := l.Exchange(true, facts.Range, tlsprobe.None)
			if again := len(l.Skipped); e.Outcome != tt.outcome || again < 2 {
				t.Errorf("outcome %d, want %d; asked again %d times: %v", e.Outcome, tt.outcome, again, l.Skipped)
			}
		})
	}
}

func accepted(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}} {
		testkit.Check(t, e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	return b.Bytes()
}
