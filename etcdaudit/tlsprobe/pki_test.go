package tlsprobe_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/testkit"
)

// pki is a CA with the certificates of a server and of a client. Package cluster's signs no
// revocation lists and no certificates that are wrong on purpose.
type pki struct {
	dir            string
	ca             *x509.Certificate
	key            *ecdsa.PrivateKey
	caFile         string
	server, client files
	serial         int64
}

type files struct{ cert, key string }

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{dir: t.TempDir(), key: testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	template := p.template("etcd-ca")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	template.SubjectKeyId = []byte(p.dir) // tells apart the CAs of two tests
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key))(t)
	p.ca = testkit.Must(x509.ParseCertificate(der))(t)
	p.caFile = p.write(t, "ca.crt", "CERTIFICATE", der)
	p.server = p.issue(t, "server", onLoopback)
	p.client = p.issue(t, "client")
	return p
}

func (p *pki) template(name string) *x509.Certificate {
	p.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(p.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func onLoopback(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
}

func (p *pki) issue(t *testing.T, name string, change ...func(*x509.Certificate)) files {
	t.Helper()
	return p.sign(t, name, testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), change...)
}

func (p *pki) issueRSA(t *testing.T, name string, change ...func(*x509.Certificate)) files {
	t.Helper()
	return p.sign(t, name, testkit.Must(rsa.GenerateKey(rand.Reader, 2048))(t), change...)
}

func (p *pki) sign(t *testing.T, name string, key crypto.Signer, change ...func(*x509.Certificate)) files {
	t.Helper()
	template := p.template(name)
	for _, f := range change {
		f(template)
	}
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, p.ca, key.Public(), p.key))(t)
	return files{
		p.write(t, name+".crt", "CERTIFICATE", der),
		p.write(t, name+".key", "PRIVATE KEY", testkit.Must(x509.MarshalPKCS8PrivateKey(key))(t)),
	}
}

func (p *pki) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	testkit.Check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// revoke writes a revocation list with one certificate, as DER and as PEM.
func (p *pki) revoke(t *testing.T, f files) (derFile, pemFile string) {
	t.Helper()
	block, _ := pem.Decode(testkit.Must(os.ReadFile(f.cert))(t))
	revoked := testkit.Must(x509.ParseCertificate(block.Bytes))(t)
	der := testkit.Must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.SerialNumber, RevocationTime: time.Now()}},
	}, p.ca, p.key))(t)
	derFile = filepath.Join(p.dir, "crl.der")
	testkit.Check(t, os.WriteFile(derFile, der, 0o600))
	return derFile, p.write(t, "crl.pem", "X509 CRL", der)
}

// mutual are the flags of a member that asks everyone for a certificate.
func (p *pki) mutual() []string {
	return append(p.open(), "--trusted-ca-file="+p.caFile, "--client-cert-auth")
}

// open are the flags of a member that asks its peers only.
func (p *pki) open() []string {
	return []string{
		"--cert-file=" + p.server.cert, "--key-file=" + p.server.key,
		"--peer-cert-file=" + p.server.cert, "--peer-key-file=" + p.server.key,
		"--peer-trusted-ca-file=" + p.caFile, "--peer-client-cert-auth",
	}
}

func (p *pki) pool(t *testing.T) *x509.CertPool {
	t.Helper()
	return testkit.Must(tlsprobe.LoadCA(p.caFile))(t)
}

func (f files) identity(t *testing.T, label string) tlsprobe.Identity {
	t.Helper()
	return testkit.Must(tlsprobe.LoadIdentity(label, f.cert, f.key))(t)
}

func (p *pki) own(t *testing.T) *tlsprobe.Identity {
	t.Helper()
	own := p.client.identity(t, tlsprobe.Own)
	return &own
}
