// Package enumerate finds all protocol versions, cipher suites and groups that a TLS server
// accepts: it offers everything, takes away what the server has chosen, and repeats that
// until the server refuses. Groups are offered one by one.
//
// Only this package imports zcrypto: crypto/tls can offer neither suites that it does not
// implement nor single ones of TLS 1.3. It must never know etcd.
package enumerate

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"

	ztls "github.com/zmap/zcrypto/tls"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Options say how to reach the server.
type Options struct {
	// Connect makes a connection with a deadline, calls shake with it, and closes it. It may
	// wait. The error is why no connection was made.
	Connect func(ctx context.Context, shake func(net.Conn) Shake) error
	// ServerName is sent as SNI, and Certificate where the server asks for one; nil for none.
	ServerName  string
	Certificate *tls.Certificate
}

// Shake is how one handshake ended.
type Shake struct {
	// Chosen is whether the server chose of what was offered, Asked whether it asked for a
	// certificate, and Sent whether one was sent.
	Chosen, Asked, Sent bool
	// Err is why the handshake was not completed, nil if it was.
	Err error
}

// Result is what the server accepts, by IANA's numbers, sorted.
type Result struct {
	Versions []uint16
	Suites   map[uint16][]uint16
	Groups   []uint16
	// Complete is whether all was tried; NotOffered is what was not.
	Complete   bool
	NotOffered []facts.Missing
}

type run struct {
	Options
	Result
	incomplete bool
}

// Run enumerates until ctx ends. Each version costs a connection for each of its suites
// and one that is refused, and each group of the key exchange one more.
func Run(ctx context.Context, o Options) Result {
	r := &run{Options: o, Result: Result{Suites: map[uint16][]uint16{}}}
	r.NotOffered = []facts.Missing{
		{What: "SSL 2.0 and SSL 3.0", Why: "no library of Go speaks them"},
		{What: "suites with pre-shared keys, Kerberos, SRP or GOST", Why: "they need a secret that is shared with the server, or are not implemented"},
		{What: "finite field groups and X448", Why: "they are not implemented"},
	}
	for _, o := range offers() {
		if err := r.version(ctx, o.version, o.suites); r.left("all suites of "+tls.VersionName(o.version), err) {
			return r.Result
		}
	}
	for _, group := range allGroups() {
		if err := r.group(ctx, group); r.left("the group "+group.String(), err) {
			return r.Result
		}
	}
	r.Complete = !r.incomplete
	return r.Result
}

// left notes what could not be found out, and reports whether to end the enumeration.
func (r *run) left(what string, err error) (end bool) {
	switch {
	case err == nil:
		return false
	case errors.Is(err, errNoAlert):
		r.incomplete = true
		r.NotOffered = append(r.NotOffered, facts.Missing{What: what, Why: err.Error()})
		return false
	}
	r.NotOffered = append(r.NotOffered, facts.Missing{
		What: "the versions, suites and groups that are not listed", Why: "the server stopped answering, or the time limit was reached",
	})
	return true
}

// errNoAlert is the end of a connection that says nothing about what was offered: a proxy may
// have no server behind it at that moment.
var errNoAlert = errors.New("the connection ended twice without an alert")

// try makes a handshake and reports whether the server chose of what was offered. Only an
// alert is a refusal: after any other end it tries once more.
func (r *run) try(ctx context.Context, handshake func(net.Conn) Shake) (chosen bool, _ error) {
	for range 2 {
		var s Shake
		err := r.Connect(ctx, func(conn net.Conn) Shake {
			s = handshake(conn)
			return s
		})
		switch {
		case err != nil:
			return false, err
		case s.Chosen, refused(s.Err):
			return s.Chosen, nil
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case silent(s.Err):
			return false, s.Err
		}
	}
	return false, errNoAlert
}

// version finds the suites of one version.
func (r *run) version(ctx context.Context, version uint16, offered []uint16) (err error) {
	for len(offered) > 0 && err == nil {
		var suite uint16
		_, err = r.try(ctx, func(conn net.Conn) (s Shake) {
			suite, s = r.offer(ctx, conn, version, offered)
			return s
		})
		at := slices.Index(offered, suite)
		if at < 0 {
			break // refused, or another one than those that were offered
		}
		offered = slices.Delete(offered, at, at+1)
		r.Suites[version] = append(r.Suites[version], suite)
	}
	if len(r.Suites[version]) > 0 {
		slices.Sort(r.Suites[version])
		r.Versions = append(r.Versions, version)
	}
	return err
}

// offer makes one handshake, and returns the suite that the server has chosen, 0 for none.
func (r *run) offer(ctx context.Context, conn net.Conn, version uint16, suites []uint16) (suite uint16, s Shake) {
	config := &ztls.Config{
		InsecureSkipVerify: true, // what is served is judged elsewhere
		ServerName:         r.ServerName, MinVersion: version, MaxVersion: version,
		CipherSuites: suites, ForceSuites: true,
		GetClientCertificate: func(*ztls.CertificateRequestInfo) (*ztls.Certificate, error) {
			s.Asked, s.Sent = true, r.Certificate != nil
			if r.Certificate == nil {
				return &ztls.Certificate{}, nil
			}
			return &ztls.Certificate{Certificate: r.Certificate.Certificate, PrivateKey: r.Certificate.PrivateKey}, nil
		},
	}
	client := ztls.Client(conn, config)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// A suite that zcrypto does not implement ends the handshake with its alert; the choice
	// is known by then. Either way the connection ends here.
	s.Err = client.Handshake()
	_ = client.Close()
	if log := client.GetHandshakeLog(); log != nil && log.ServerHello != nil {
		s.Chosen = true
		if chosen := uint16(log.ServerHello.Version); version == tls.VersionTLS13 || chosen == version {
			suite = uint16(log.ServerHello.CipherSuite)
		}
	}
	return suite, s
}

// group finds out whether a group of the key exchange is accepted, in the newest version
// that the server speaks.
func (r *run) group(ctx context.Context, group tls.CurveID) error {
	if len(r.Versions) == 0 || hybrid(group) && !slices.Contains(r.Versions, tls.VersionTLS13) {
		return nil
	}
	chosen, err := r.try(ctx, func(conn net.Conn) (s Shake) {
		client := tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // what is served is judged elsewhere
			MinVersion:         tls.VersionTLS10,
			ServerName:         r.ServerName, CurvePreferences: []tls.CurveID{group}, CipherSuites: ephemeralSuites(),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				s.Asked, s.Sent = true, r.Certificate != nil
				if r.Certificate == nil {
					return &tls.Certificate{}, nil
				}
				return r.Certificate, nil
			},
		})
		s.Err = client.HandshakeContext(ctx)
		// The server asks for a certificate after it has agreed to the group: the refusal of
		// a client is none of the group.
		s.Chosen = s.Err == nil || s.Asked
		_ = client.Close()
		return s
	})
	if chosen {
		r.Groups = append(r.Groups, uint16(group))
		slices.Sort(r.Groups)
	}
	return err
}
