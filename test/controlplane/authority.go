package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/testkit"
)

// Authority is a CA whose key is in memory.
type Authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	Cert *x509.Certificate
}

// NewAuthority makes a CA.
func NewAuthority(t testing.TB, name string) *Authority {
	return (&Authority{t: t, key: newKey(t)}).renew(name)
}

// Renewed is another certificate of the same CA's key.
func (a *Authority) Renewed(name string) *Authority {
	return (&Authority{t: a.t, key: a.key}).renew(name)
}

func (a *Authority) renew(name string) *Authority {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.Cert = sign(a.t, template, template, a.key.Public(), a.key)
	return a
}

// Client issues a client's certificate.
func (a *Authority) Client(name string, groups ...string) *x509.Certificate {
	return a.Issue(func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name, Organization: groups}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
}

// Member issues a certificate of a member of etcd on this node.
func (a *Authority) Member(name string) *x509.Certificate {
	return a.Issue(func(c *x509.Certificate) {
		c.Subject.CommonName = name
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.DNSNames = []string{"localhost", name}
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(Address)}
	})
}

// Issue issues a certificate with a key of its own, valid for a year.
func (a *Authority) Issue(change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{}
	change(template)
	return sign(a.t, template, a.Cert, newKey(a.t).Public(), a.key)
}

// IssueFor is Issue for a key that is given.
func (a *Authority) IssueFor(key crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{}
	change(template)
	return sign(a.t, template, a.Cert, key, a.key)
}

// SelfSigned makes a certificate that is signed with its own key.
func SelfSigned(t testing.TB, curve elliptic.Curve, change func(*x509.Certificate)) *x509.Certificate {
	key := testkit.Must(ecdsa.GenerateKey(curve, rand.Reader))(t)
	template := &x509.Certificate{}
	change(template)
	return sign(t, template, template, key.Public(), key)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	return testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
}

func sign(t testing.TB, template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	template.SerialNumber = testkit.Must(rand.Int(rand.Reader, big.NewInt(1<<62)))(t)
	if template.NotBefore.IsZero() {
		template.NotBefore = Now.Add(-24 * time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = Now.Add(365 * 24 * time.Hour)
	}
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, parent, key, signer))(t)
	return testkit.Must(x509.ParseCertificate(der))(t)
}
