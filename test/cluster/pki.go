package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity bounds every certificate: longer than anyone leaves a demo running,
// short enough that a leaked one is soon worth nothing.
const validity = 7 * 24 * time.Hour

// An Authority is a certificate authority for one purpose. Its private key
// stays in memory.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// CertFiles names the files of one identity: its certificate, its private key,
// and the authority that signed it. All are PEM.
type CertFiles struct {
	CA, Cert, Key string
}

// NewAuthority makes an authority whose files go to dir, which is created.
func NewAuthority(dir, name string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of authority %s: %w", name, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of authority %s: %w", name, err)
	}
	template := template(pkix.Name{CommonName: name})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of authority %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate of authority %s: %w", name, err)
	}
	a := &Authority{dir: dir, cert: cert, key: key}
	return a, writePEM(a.CAFile(), "CERTIFICATE", der)
}

// CAFile is the path of the authority's own certificate.
func (a *Authority) CAFile() string { return filepath.Join(a.dir, "ca.crt") }

// Server issues a certificate for a server on loopback. It also serves as a
// client certificate, because etcd's peers and its gateway use one for both.
func (a *Authority) Server(name string) (CertFiles, error) {
	t := template(pkix.Name{CommonName: name})
	return a.server(name, t)
}

// ServerUntil is Server with an end of its own, which may lie in the past.
func (a *Authority) ServerUntil(name string, end time.Time) (CertFiles, error) {
	t := template(pkix.Name{CommonName: name})
	t.NotBefore, t.NotAfter = end.Add(-validity), end
	return a.server(name, t)
}

func (a *Authority) server(name string, t *x509.Certificate) (CertFiles, error) {
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames = []string{"localhost"}
	// Some tests give each node an address of its own.
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2), net.IPv4(127, 0, 0, 3), net.IPv4(127, 0, 0, 4), net.IPv6loopback}
	return a.issue(name, t)
}

// Client issues a client certificate. For Kubernetes the common name is the
// user and the organizations are its groups.
func (a *Authority) Client(name string, organizations ...string) (CertFiles, error) {
	t := template(pkix.Name{CommonName: name, Organization: organizations})
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(name, t)
}

func (a *Authority) issue(name string, t *x509.Certificate) (CertFiles, error) {
	files := CertFiles{
		CA:   a.CAFile(),
		Cert: filepath.Join(a.dir, name+".crt"),
		Key:  filepath.Join(a.dir, name+".key"),
	}
	key, err := writeKey(files.Key)
	if err != nil {
		return CertFiles{}, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return CertFiles{}, fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	return files, writePEM(files.Cert, "CERTIFICATE", der)
}

// TLS returns a client configuration that presents this identity and trusts
// its authority.
func (f CertFiles) TLS() (*tls.Config, error) {
	pool, err := certPool(f.CA)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("load the certificate %s: %w", f.Cert, err)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

func certPool(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file) //nolint:gosec // a path of this cluster
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("read the authority: no certificate in %s", file)
	}
	return pool, nil
}

func template(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: now.Add(-time.Hour), // clocks may be stepped back while it runs
		NotAfter:  now.Add(validity),
	}
}

// writeKey makes a private key and writes it in the SEC 1 form, the only one
// that kube-apiserver takes for a service account key of this kind.
func writeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key %s: %w", path, err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key %s: %w", path, err)
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
