// Package enumerate finds all protocol versions, cipher suites and groups that a TLS server
// accepts: it offers everything, takes away what the server has chosen, and repeats that
// until the server refuses.
//
// Only this package imports zcrypto: crypto/tls can offer neither suites that it does not
// implement nor single ones of TLS 1.3. It must never know etcd.
package enumerate

import (
	"context"
	"crypto/tls"
	"net"
	"slices"

	ztls "github.com/zmap/zcrypto/tls"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Options say how to reach the server.
type Options struct {
	// Dial returns a new connection with a deadline. It may wait.
	Dial func(context.Context) (net.Conn, error)
	// ServerName is sent as SNI, and Certificate where the server asks for one; nil for none.
	ServerName  string
	Certificate *tls.Certificate
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
}

// Run enumerates until ctx ends. Each version costs a connection for each of its suites
// and one that is refused; the groups of the key exchange likewise.
func Run(ctx context.Context, o Options) Result {
	r := &run{Options: o, Result: Result{Suites: map[uint16][]uint16{}}}
	r.NotOffered = []facts.Missing{
		{What: "SSL 2.0 and SSL 3.0", Why: "no library of Go speaks them"},
		{What: "suites with pre-shared keys, Kerberos, SRP or GOST", Why: "they need a secret that is shared with the server, or are not implemented"},
		{What: "finite field groups and X448", Why: "they are not implemented"},
	}
	for _, o := range offers() {
		if err := r.version(ctx, o.version, o.suites); err != nil {
			return r.broken()
		}
	}
	if err := r.groups(ctx); err != nil {
		return r.broken()
	}
	r.Complete = true
	return r.Result
}

func (r *run) broken() Result {
	r.NotOffered = append(r.NotOffered, facts.Missing{
		What: "the versions, suites and groups that are not listed", Why: "the server stopped answering, or the time limit was reached",
	})
	return r.Result
}

// version finds the suites of one version.
func (r *run) version(ctx context.Context, version uint16, offered []uint16) error {
	for len(offered) > 0 {
		chosen, err := r.offer(ctx, version, offered)
		if err != nil {
			return err
		}
		at := slices.Index(offered, chosen)
		if at < 0 {
			break // refused, or another one than those that were offered
		}
		offered = slices.Delete(offered, at, at+1)
		r.Suites[version] = append(r.Suites[version], chosen)
	}
	if len(r.Suites[version]) > 0 {
		slices.Sort(r.Suites[version])
		r.Versions = append(r.Versions, version)
	}
	return nil
}

// offer makes one handshake, and returns the suite that the server has chosen, 0 for
// none. The error is that of the connection.
func (r *run) offer(ctx context.Context, version uint16, suites []uint16) (uint16, error) {
	conn, err := r.Dial(ctx)
	if err != nil {
		return 0, err
	}
	config := &ztls.Config{
		InsecureSkipVerify: true, // what is served is judged elsewhere
		ServerName:         r.ServerName, MinVersion: version, MaxVersion: version,
		CipherSuites: suites, ForceSuites: true,
		GetClientCertificate: func(*ztls.CertificateRequestInfo) (*ztls.Certificate, error) {
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
	err = client.Handshake()
	_ = client.Close()
	_ = conn.Close()
	if log := client.GetHandshakeLog(); log != nil && log.ServerHello != nil {
		if chosen := uint16(log.ServerHello.Version); version == tls.VersionTLS13 || chosen == version {
			return uint16(log.ServerHello.CipherSuite), nil
		}
		return 0, nil
	}
	return 0, silent(ctx, err)
}

// groups finds the groups of the key exchange that crypto/tls knows, in the newest version
// that the server speaks.
func (r *run) groups(ctx context.Context) error {
	offered := allGroups()
	for len(offered) > 0 && len(r.Versions) > 0 {
		conn, err := r.Dial(ctx)
		if err != nil {
			return err
		}
		client := tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // what is served is judged elsewhere
			MinVersion:         tls.VersionTLS10,
			ServerName:         r.ServerName, CurvePreferences: offered, CipherSuites: ephemeralSuites(),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if r.Certificate == nil {
					return &tls.Certificate{}, nil
				}
				return r.Certificate, nil
			},
		})
		group := tls.CurveID(0)
		if err = client.HandshakeContext(ctx); err == nil {
			group = client.ConnectionState().CurveID
		}
		_ = client.Close()
		if err := silent(ctx, err); err != nil {
			return err
		}
		at := slices.Index(offered, group)
		if at < 0 {
			break
		}
		offered = slices.Delete(offered, at, at+1)
		r.Groups = append(r.Groups, uint16(group))
	}
	slices.Sort(r.Groups)
	return nil
}
