package vaultbackend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/doctor"
)

// inspectAddress follows one URL step by step.
func inspectAddress(ctx context.Context, cfg Config, address string) doctor.Address {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a := doctor.Address{URL: address}
	u, err := url.Parse(address)
	if err != nil {
		a.ResolveErr = err.Error()
		return a
	}
	a.Host, a.Plain = u.Hostname(), u.Scheme == "http"
	var resolver net.Resolver
	if a.IPs, err = resolver.LookupHost(ctx, a.Host); err != nil {
		a.ResolveErr = err.Error()
		return a
	}
	if net.ParseIP(a.Host) == nil {
		a.Canonical, _ = resolver.LookupCNAME(ctx, a.Host) // a name in /etc/hosts has none
	}
	port := u.Port()
	switch {
	case port != "":
	case a.Plain:
		port = "80"
	default:
		port = "443"
	}
	hostPort := net.JoinHostPort(a.Host, port)
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", hostPort)
	if err != nil {
		a.ConnectErr = err.Error()
		return a
	}
	defer func() { _ = conn.Close() }()
	if !a.Plain {
		secure, err := handshake(ctx, cfg, conn, hostPort, &a)
		if err != nil {
			a.TLSErr = err.Error()
			return a
		}
		conn = secure
	}
	if err := readHealth(ctx, conn, u, &a); err != nil {
		a.HealthErr = err.Error()
	}
	return a
}

// handshake verifies the server as the plugin does, and notes its certificates
// whether they are trusted or not.
func handshake(ctx context.Context, cfg Config, conn net.Conn, hostPort string, a *doctor.Address) (net.Conn, error) {
	files, err := newTLSFiles(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	config, err := files.config(hostPort)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			a.Chain = describeChain(untrusted.UnverifiedCertificates)
		}
		return nil, err
	}
	state := secure.ConnectionState()
	a.TLSVersion, a.Chain = tls.VersionName(state.Version), describeChain(state.PeerCertificates)
	return secure, nil
}

func describeChain(chain []*x509.Certificate) []doctor.Certificate {
	described := make([]doctor.Certificate, len(chain))
	for i, c := range chain {
		described[i] = doctor.Certificate{Subject: c.Subject.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	}
	return described
}

// readHealth asks for sys/health, which needs no login, over a connection that
// exists.
func readHealth(ctx context.Context, conn net.Conn, u *url.URL, a *doctor.Address) error {
	client := http.Client{
		Transport: &http.Transport{
			DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Scheme+"://"+u.Host+"/v1/sys/health", http.NoBody)
	if err != nil {
		return err
	}
	before := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	after := time.Now()
	defer func() { _ = resp.Body.Close() }()
	// Whatever the state, it is in the body; the status only repeats it.
	var health struct {
		Initialized *bool  `json:"initialized"`
		Sealed      bool   `json:"sealed"`
		Standby     bool   `json:"standby"`
		Version     string `json:"version"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&health); err != nil || health.Initialized == nil {
		return fmt.Errorf("HTTP status %d and no health in it", resp.StatusCode)
	}
	a.Initialised, a.Sealed, a.Standby, a.Version = *health.Initialized, health.Sealed, health.Standby, health.Version
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// Whole seconds: on average half of one has passed since.
		a.Ahead = date.Add(500 * time.Millisecond).Sub(before.Add(after.Sub(before) / 2))
		a.ClockKnown = true
	}
	return nil
}
