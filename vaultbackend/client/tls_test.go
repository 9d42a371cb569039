package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// testCA signs certificates that no real authority would, such as expired ones.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestCA(t *testing.T) testCA {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "a test's authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca := testCA{cert: template}
	pair := ca.issue(t, template)
	var ok bool
	if ca.key, ok = pair.PrivateKey.(*ecdsa.PrivateKey); !ok {
		t.Fatal("not the kind of key that was made")
	}
	ca.cert = pair.Leaf
	return ca
}

// issue signs template; by itself while ca has no key yet.
func (ca testCA) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	signer := ca.key
	if signer == nil {
		signer = key
	}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), signer)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (ca testCA) server(t *testing.T, notAfter time.Time) tls.Certificate {
	return ca.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "vault"}, NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func (ca testCA) client(t *testing.T, name string) tls.Certificate {
	return ca.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (ca testCA) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

func writePair(t *testing.T, pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
}

// tlsVault is a fake Vault whose TLS does what the real one's listener cannot be
// made to do in a test. It remembers what it saw of its clients.
type tlsVault struct {
	*httptest.Server
	mu       sync.Mutex
	versions []uint16
	names    []string // common names of client certificates
}

// shown returns the common names of the client certificates so far.
func (v *tlsVault) shown() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.names)
}

func newTLSVault(t *testing.T, config *tls.Config) *tlsVault {
	t.Helper()
	v := &tlsVault{}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.versions = append(v.versions, r.TLS.Version)
		for _, cert := range r.TLS.PeerCertificates {
			v.names = append(v.names, cert.Subject.CommonName)
		}
		v.mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/v1/auth/") {
			fmt.Fprint(w, vaulttest.IsLoggedIn)
			return
		}
		fmt.Fprint(w, vaulttest.IsKey)
	}))
	v.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(t.Output(), nil), slog.LevelDebug)
	v.TLS = config
	v.StartTLS()
	t.Cleanup(v.Close)
	return v
}

// configFor returns a configuration that reaches v and trusts ca.
func (v *tlsVault) configFor(t *testing.T, ca testCA) Config {
	t.Helper()
	cfg := fakeConfig(t, v.URL)
	cfg.CAFile = filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(cfg.CAFile, ca.pem(), 0o600))
	return cfg
}

func TestWhyACertificateIsNotTrusted(t *testing.T) {
	noLeaks(t)
	ours, others := newTestCA(t), newTestCA(t)
	good, expired := ours.server(t, time.Now().Add(time.Hour)), ours.server(t, time.Now().Add(-time.Hour))
	for _, row := range []struct {
		name   string
		shown  tls.Certificate
		change func(*Config)
		reason string // "" for none
	}{
		{"a good one", good, func(*Config) {}, ""},
		{"an expired one", expired, func(*Config) {}, "Vault's certificate has expired, or is not valid yet"},
		{"one of another authority", others.server(t, time.Now().Add(time.Hour)), func(*Config) {}, "Vault's certificate is signed by an unknown authority"},
		{"one for another name", good, func(c *Config) { c.ServerName = "vault.example.com" }, "Vault's certificate is for another name"},
		{"a name that no resolver knows", good, func(c *Config) { c.Address = []string{"https://vault.invalid:8200"} }, "Vault's name cannot be resolved"},
		{"no server there", good, func(c *Config) { c.Address = []string{"https://127.0.0.1:1"} }, "Vault cannot be reached"},
	} {
		t.Run(row.name, func(t *testing.T) {
			vault := newTLSVault(t, &tls.Config{Certificates: []tls.Certificate{row.shown}})
			cfg := vault.configFor(t, ours)
			row.change(&cfg)
			c, _ := newClient(t, cfg)
			err := reads(t, c)
			if row.reason == "" {
				must(t, err)
				return
			}
			failed(t, err, backend.Outage, row.reason)
		})
	}
}

func TestTLSIsAtLeast12AndPreferably13(t *testing.T) {
	noLeaks(t)
	ca := newTestCA(t)
	for _, row := range []struct {
		name    string
		highest uint16
		want    uint16 // 0 for none
	}{
		{"1.3 where Vault has it", 0, tls.VersionTLS13},
		{"1.2 where Vault has no more", tls.VersionTLS12, tls.VersionTLS12},
		{"nothing below", tls.VersionTLS11, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			vault := newTLSVault(t, &tls.Config{
				Certificates: []tls.Certificate{ca.server(t, time.Now().Add(time.Hour))},
				MinVersion:   tls.VersionTLS10, MaxVersion: row.highest,
			})
			c, _ := newClient(t, vault.configFor(t, ca))
			err := reads(t, c)
			if row.want == 0 {
				failed(t, err, backend.Outage, "Vault refuses the TLS connection")
				return
			}
			must(t, err)
			vault.mu.Lock()
			defer vault.mu.Unlock()
			if vault.versions[0] != row.want {
				t.Errorf("version %x, want %x", vault.versions[0], row.want)
			}
		})
	}
}

func TestACAFileThatChangesIsInForceForNewConnections(t *testing.T) {
	noLeaks(t)
	first, second := newTestCA(t), newTestCA(t)
	vault := newTLSVault(t, &tls.Config{Certificates: []tls.Certificate{second.server(t, time.Now().Add(time.Hour))}})
	cfg := vault.configFor(t, first)
	c, _ := newClient(t, cfg)
	failed(t, reads(t, c), backend.Outage, "Vault's certificate is signed by an unknown authority")

	must(t, os.WriteFile(cfg.CAFile, append(first.pem(), second.pem()...), 0o600))
	until(t, "the new authority is trusted", func() bool { return reads(t, c) == nil }, func() {})

	must(t, os.WriteFile(cfg.CAFile, []byte("half a cert"), 0o600)) // while it is being written
	_, err := c.ReadKey(backend.WithNewConnection(t.Context()))
	must(t, err)

	must(t, os.WriteFile(cfg.CAFile, first.pem(), 0o600))
	must(t, reads(t, c)) // a connection that exists goes on
	_, err = c.ReadKey(backend.WithNewConnection(t.Context()))
	failed(t, err, backend.Outage, "Vault's certificate is signed by an unknown authority")
}

// TestAKeyThatComesAfterItsCertificate is about who writes one after the other,
// and a login in between.
func TestAKeyThatComesAfterItsCertificate(t *testing.T) {
	noLeaks(t)
	ca := newTestCA(t)
	vault := newTLSVault(t, &tls.Config{Certificates: []tls.Certificate{ca.server(t, time.Now().Add(time.Hour))}, ClientAuth: tls.RequireAnyClientCert})
	cfg := vault.configFor(t, ca)
	dir := t.TempDir()
	cfg.ClientCertFile, cfg.ClientKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	cfg.Auth = AuthConfig{Method: MethodCert}
	next, nextCert, nextKey := ca.client(t, "second"), filepath.Join(dir, "next.crt"), filepath.Join(dir, "next.key")
	writePair(t, ca.client(t, "first"), cfg.ClientCertFile, cfg.ClientKeyFile)
	writePair(t, next, nextCert, nextKey)
	c, obs := newClient(t, cfg)
	must(t, reads(t, c))
	until(t, "the first token has looked itself up", func() bool { return obs.count(opLookup) > 0 }, func() {})

	must(t, os.Rename(nextCert, cfg.ClientCertFile))
	_, err := c.tokens.step(t.Context())
	failed(t, err, backend.Credentials, "the client certificate file cannot be used")
	if !c.tokens.auth.stale() {
		t.Error("the new certificate is forgotten")
	}
	must(t, os.Rename(nextKey, cfg.ClientKeyFile))
	until(t, "both are used", func() bool { return !c.tokens.auth.stale() }, func() {
		time.Sleep(100 * time.Millisecond)
		_, _ = c.tokens.step(t.Context())
	})
	if shown := vault.shown(); shown[len(shown)-1] != "second" {
		t.Errorf("shown: %v", shown)
	}

	must(t, os.Chtimes(cfg.ClientKeyFile, time.Time{}, time.Now().Add(time.Minute)))
	if !c.tokens.auth.stale() {
		t.Error("the client does not notice the new key")
	}
}

func TestAClientCertificateIsShownWhereVaultAsksForOne(t *testing.T) {
	noLeaks(t)
	ca, clients := newTestCA(t), newTestCA(t)
	pool := x509.NewCertPool()
	pool.AddCert(clients.cert)
	vault := newTLSVault(t, &tls.Config{
		Certificates: []tls.Certificate{ca.server(t, time.Now().Add(time.Hour))},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})
	cfg := vault.configFor(t, ca)
	without, _ := newClient(t, cfg)
	failed(t, reads(t, without), backend.Outage, "Vault refuses the TLS connection")

	dir := t.TempDir()
	cfg.ClientCertFile, cfg.ClientKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	c, obs := newClient(t, cfg)
	failed(t, reads(t, c), backend.Outage, "the client certificate cannot be used")
	writePair(t, clients.client(t, "first"), cfg.ClientCertFile, cfg.ClientKeyFile)
	until(t, "the certificate is shown once it is there", func() bool { return reads(t, c) == nil }, func() {})
	until(t, "the token has looked itself up", func() bool { return obs.count(opLookup) > 0 }, func() {})
	writePair(t, clients.client(t, "second"), cfg.ClientCertFile, cfg.ClientKeyFile)
	_, err := c.ReadKey(backend.WithNewConnection(t.Context()))
	must(t, err)
	if shown := vault.shown(); shown[0] != "first" || shown[len(shown)-1] != "second" {
		t.Errorf("shown: %v", shown)
	}
}
