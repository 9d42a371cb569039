package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
)

// errClientCert is why there is no connection where the client certificate cannot be
// read.
var errClientCert = errors.New("the client certificate cannot be used")

// tlsFiles is what TLS needs from the disk: the trusted authorities and the client
// certificate. A new connection sees files that have changed since the last one;
// connections that exist go on. So nothing has to be restarted, and no request has
// to look at files.
type tlsFiles struct {
	serverName string
	roots      *reloaded[*x509.CertPool]   // nil: the system's
	identity   *reloaded[*tls.Certificate] // nil: none is shown
}

// newTLSFiles fails where the CA file is of no use. The client certificate is a
// credential, and like all of them may be delivered later.
func newTLSFiles(cfg Config, log *slog.Logger) (*tlsFiles, error) {
	f := &tlsFiles{serverName: cfg.ServerName}
	if cfg.CAFile != "" {
		f.roots = newReloaded("vault.ca-file", log, func() (*x509.CertPool, error) { return readRoots(cfg.CAFile) }, cfg.CAFile)
		if _, err := f.roots.get(); err != nil {
			return nil, fmt.Errorf("vault.ca-file: %w", err)
		}
	}
	if cfg.ClientCertFile != "" {
		f.identity = newReloaded("vault.client-cert-file", log, func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cfg.ClientCertFile, cfg.ClientKeyFile)
			return &pair, err
		}, cfg.ClientCertFile, cfg.ClientKeyFile)
	}
	return f, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the path is the operator's own configuration
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}

// dial connects to address, host:port, with the files as they are now.
func (f *tlsFiles) dial(ctx context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	config, err := f.config(address)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

func (f *tlsFiles) config(address string) (*tls.Config, error) {
	// Of the versions that both sides know, TLS takes the highest: 1.3 wherever
	// Vault allows it.
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName}
	var err error
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
	}
	if f.roots != nil {
		if config.RootCAs, err = f.roots.get(); err != nil {
			return nil, fmt.Errorf("vault.ca-file: %w", err)
		}
	}
	if f.identity != nil {
		pair, err := f.identity.get()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errClientCert, err)
		}
		// Shown with any authorities that the listener names: those of the cert auth
		// method are not among them.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return config, nil
}

// reloaded is a value made of files. It is made anew once one of them has
// changed, and kept where that fails: files are not replaced all at once.
type reloaded[T any] struct {
	name  string // of the configuration key
	log   *slog.Logger
	load  func() (T, error)
	marks fileStates

	mu     sync.Mutex
	value  T
	loaded bool
	failed string // the last failure, so that it is logged once
}

func newReloaded[T any](name string, log *slog.Logger, load func() (T, error), paths ...string) *reloaded[T] {
	return &reloaded[T]{name: name, log: log, load: load, marks: fileStates{paths: paths}}
}

// get returns the value of the files as they are, or as they were last when
// they could be used. It fails where they never could.
func (r *reloaded[T]) get() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded && !r.marks.changed() {
		return r.value, nil
	}
	seen := r.marks.look()
	value, err := r.load()
	switch {
	case err == nil:
		r.marks.set(seen)
		if r.loaded {
			r.log.Info("read changed files again", "key", r.name)
		}
		r.value, r.loaded, r.failed = value, true, ""
	case !r.loaded:
		return r.value, err
	case err.Error() != r.failed:
		r.failed = err.Error()
		r.log.Warn("changed files cannot be used; going on with what they held before", "key", r.name, "error", err)
	}
	return r.value, nil
}
