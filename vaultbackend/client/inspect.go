package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/vaultfacts"
)

// Inspect follows every address of cfg step by step: name, connection, TLS, health.
// It does not log in.
func (c Config) Inspect(ctx context.Context) []vaultfacts.Address {
	c = c.Canonical()
	found := make([]vaultfacts.Address, len(c.Address))
	for i, address := range c.Address {
		found[i] = c.inspectAddress(ctx, address)
	}
	return found
}

func (c Config) inspectAddress(ctx context.Context, address string) vaultfacts.Address {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a := vaultfacts.Address{URL: address}
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
		secure, err := handshake(ctx, c, conn, hostPort, &a)
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
func handshake(ctx context.Context, cfg Config, conn net.Conn, hostPort string, a *vaultfacts.Address) (net.Conn, error) {
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
			a.Chain = DescribeAll(untrusted.UnverifiedCertificates)
		}
		return nil, err
	}
	state := secure.ConnectionState()
	a.TLSVersion, a.Chain = tls.VersionName(state.Version), DescribeAll(state.PeerCertificates)
	return secure, nil
}

// DescribeAll returns the fields of certificates that checks look at.
func DescribeAll(chain []*x509.Certificate) []vaultfacts.Certificate {
	described := make([]vaultfacts.Certificate, len(chain))
	for i, c := range chain {
		described[i] = vaultfacts.Certificate{Subject: c.Subject.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	}
	return described
}

// readHealth asks for sys/health, which needs no login, over a connection that
// exists.
func readHealth(ctx context.Context, conn net.Conn, u *url.URL, a *vaultfacts.Address) error {
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
	// The state is in the body; the status only repeats it.
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

// File is one that a configuration names.
type File struct {
	Key    string // the configuration key below the section: "auth.secret-id-file"
	Name   string // empty where none is named
	Secret bool
	// Later is set for a file that need not be there.
	Later bool
}

// Files lists the files that the configuration names. It reads none.
func (c Config) Files() []File {
	c = c.Canonical()
	return []File{
		{Key: "ca-file", Name: c.CAFile},
		{Key: "client-cert-file", Name: c.ClientCertFile},
		{Key: "client-key-file", Name: c.ClientKeyFile, Secret: true},
		{Key: "auth.role-id-file", Name: c.Auth.RoleIDFile},
		// A wrapping token may be taken away once it was used.
		{Key: "auth.secret-id-file", Name: c.Auth.SecretIDFile, Secret: true, Later: c.Auth.UnwrappedSecretIDFile != ""},
		{Key: "auth.unwrapped-secret-id-file", Name: c.Auth.UnwrappedSecretIDFile, Secret: true, Later: true},
		{Key: "auth.jwt-file", Name: c.Auth.JWTFile, Secret: true},
		{Key: "auth.token-file", Name: c.Auth.TokenFile, Secret: true},
	}
}

// NoTrialLogin says why only the plugin itself may log in; "" if others may too. A
// wrapping token is good for one use, and what it is exchanged for is stored in a
// file that must be the plugin's own.
func (c Config) NoTrialLogin() string {
	if c.Auth.UnwrappedSecretIDFile == "" {
		return ""
	}
	w := wrappedSecretID{cfg: c.Auth}
	stored, have, err := w.readStored()
	if err != nil {
		return err.Error()
	}
	token, err := readCredential(c.Auth.SecretIDFile)
	if have && (errors.Is(err, os.ErrNotExist) || stored.Token == tokenHash(token)) {
		return ""
	}
	return "the wrapped secret-id was not exchanged yet: that can be done once, and is left to the plugin"
}

// JWTIssuer returns the issuer that the JWT of the login names, unverified: only
// whether it is a cluster is of interest. It is empty where there is none.
func (c Config) JWTIssuer() string {
	file := c.Canonical().Auth.JWTFile
	if file == "" {
		return ""
	}
	jwt, err := readCredential(file)
	if err != nil {
		return "" // the check of the file itself reports that
	}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	_ = json.Unmarshal(payload, &claims) // else it stays empty
	return claims.Issuer
}
