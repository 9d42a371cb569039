package tlsprobe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/term"
)

// link is a connection that keeps what it was told. A server that refuses a client sends
// an alert and closes; if the client writes after that, the kernel answers with a reset
// and drops the alert. So it is read before the first write (await), and the first error
// of reading stays.
type link struct {
	net.Conn
	ahead []byte
	err   error
}

func (l *link) Read(b []byte) (int, error) {
	if len(l.ahead) > 0 {
		n := copy(b, l.ahead)
		l.ahead = l.ahead[n:]
		return n, nil
	}
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.Conn.Read(b)
	if err != nil && !timedOut(err) {
		l.err = err
	}
	return n, err
}

// Close ends the connection for the server as well while a program that is being started
// still holds a copy of the socket: no handshake is to wait for an end that does not come.
func (l *link) Close() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // it may be closed already
	}
	return l.Conn.Close()
}

// told reports whether there is something to read, or an end.
func (l *link) told() bool { return len(l.ahead) > 0 || l.err != nil }

// await reads what the server says by itself, for as long as grace. deadline is set again
// after it.
func (l *link) await(grace time.Duration, deadline time.Time) error {
	if l.told() {
		return nil
	}
	if err := l.SetReadDeadline(earlier(time.Now().Add(grace), deadline)); err != nil {
		return err
	}
	buffer := make([]byte, 4<<10)
	n, err := l.Conn.Read(buffer)
	l.ahead = buffer[:n]
	if err != nil && !timedOut(err) {
		l.err = err
	}
	return l.SetReadDeadline(deadline)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// grace is how long the first word of a TLS 1.3 server is waited for. etcd sends session
// tickets as soon as it has accepted the certificate, and its alert as soon as it has not.
const grace = 300 * time.Millisecond

// dial connects. The connection ends with ctx, and each read and write at the deadline.
func dial(ctx context.Context, at address, limit time.Duration) (_ *link, deadline time.Time, end func(), _ error) {
	deadline = time.Now().Add(limit)
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(limited, at.network, at.dial)
	if err != nil {
		return nil, deadline, nil, err
	}
	l := &link{Conn: conn}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	end = func() {
		stop()
		_ = l.Close()
	}
	if err := conn.SetDeadline(deadline); err != nil {
		end()
		return nil, deadline, nil, err
	}
	return l, deadline, end, nil
}

// shake is what a TLS handshake showed.
type shake struct {
	asked, sent bool
	acceptable  [][]byte
	// state is what was agreed on, nil if it did not come to that. A server of TLS 1.2 that
	// refuses the client has agreed before; only the group is missing then.
	state *tls.ConnectionState
}

// handshake makes the connection a TLS one as a client with a certificate, or without.
// protocols are those of ALPN, none to name none.
func handshake(ctx context.Context, l *link, deadline time.Time, name string, protocols []string, who *Identity) (*tls.Conn, shake, error) {
	var seen shake
	config := &tls.Config{
		ServerName: name, NextProtos: protocols,
		// The chain is judged apart (served.go): what a wrong one serves is a fact too.
		InsecureSkipVerify: true, //nolint:gosec // no data of this client crosses the connection
		// Old servers are to be found, and not only failed.
		MinVersion:   tls.VersionTLS10,
		CipherSuites: everySuite(),
		// Without a cache a client asks for no ticket, and then a server of TLS 1.3 that has
		// accepted its certificate says nothing. It is new for each connection: nothing is resumed.
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
		GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			seen.asked, seen.acceptable = true, info.AcceptableCAs
			if who.pair == nil {
				return &tls.Certificate{}, nil
			}
			// Go's default sends none if the server does not name its issuer; then the
			// server could only say that there was none.
			seen.sent = true
			return who.pair, nil
		},
		// It runs before the client's certificate is sent and judged.
		VerifyConnection: func(state tls.ConnectionState) error {
			seen.state = &state
			return nil
		},
	}
	conn := tls.Client(l, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, seen, err
	}
	state := conn.ConnectionState()
	seen.state = &state
	if seen.asked && state.Version == tls.VersionTLS13 {
		if err := l.await(grace, deadline); err != nil {
			return nil, seen, err
		}
	}
	return conn, seen, nil
}

func everySuite() (all []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		all = append(all, s.ID)
	}
	return all
}

// ending is how a connection ended, and what was said.
type ending struct {
	outcome facts.Outcome
	said    string
	// alert is set if it ended with an alert of TLS: the server speaks it, whatever it refused.
	alert bool
}

func dialEnding(err error) ending {
	text := "not reachable"
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		text = "the host name does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		text = "nothing listens there"
	case errors.Is(err, fs.ErrNotExist):
		text = "there is no such socket"
	case errors.Is(err, fs.ErrPermission):
		text = "this user may not connect to the socket"
	case timedOut(err):
		return ending{outcome: facts.Silent, said: "the connection is not accepted in time"}
	}
	return ending{outcome: facts.Failed, said: text}
}

// handshakeEnding says how a handshake failed. Only an alert after the server has asked
// for a certificate can be about the client.
func handshakeEnding(err error, seen shake) ending {
	var record tls.RecordHeaderError
	switch alert, ok := alertOf(err); {
	case ok && seen.asked:
		return ending{outcome: facts.Refused, said: alert, alert: true}
	case ok:
		return ending{outcome: facts.Mismatch, said: alert, alert: true}
	case errors.As(err, &record):
		return ending{outcome: facts.Mismatch, said: "the answer is not TLS"}
	case timedOut(err):
		return ending{outcome: facts.Silent, said: "no answer in time"}
	case closed(err) && seen.asked:
		// The kernel can drop an alert of TLS 1.2 (see link).
		return ending{outcome: facts.Closed, said: "closed in the handshake after the client's certificate, without an alert"}
	case closed(err):
		return ending{outcome: facts.Mismatch, said: "closed before the handshake was complete"}
	}
	return ending{outcome: facts.Mismatch, said: "no handshake: " + short(err.Error())}
}

// answerEnding says why no answer came on an open connection.
func answerEnding(err error, secure bool) ending {
	switch alert, ok := alertOf(err); {
	case ok:
		return ending{outcome: facts.Refused, said: alert, alert: true}
	case timedOut(err):
		return ending{outcome: facts.Silent, said: "no answer in time"}
	case closed(err) && secure:
		return ending{outcome: facts.Closed, said: "closed after the handshake, without an alert"}
	case closed(err):
		return ending{outcome: facts.Mismatch, said: "closed without an answer"}
	}
	return ending{outcome: facts.Mismatch, said: "the answer is something else"}
}

// alertOf returns the text of a TLS alert that the server sent. crypto/tls wraps it in a
// net.OpError and does not export its type.
func alertOf(err error) (string, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return "", false
	}
	return "alert: " + strings.TrimPrefix(op.Err.Error(), "tls: "), true
}

func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// short makes text of a server fit for a report.
func short(text string) string {
	if len(text) > 120 {
		text = text[:120] + "…"
	}
	return term.Printable(text)
}
