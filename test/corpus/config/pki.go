package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// identity is one certificate of the PKI that all cases share. Its files are NAME.crt
// and NAME.key; README.md says what each is for.
type identity struct {
	name, issuer string // an issuer comes before what it signs; empty for self-signed
	cn, org      string // cn is name by default, and nameless is for none
	usages       []x509.ExtKeyUsage
	ca           bool
	hosts        []string // names and addresses
	from, until  time.Duration
	rsa          int // bits; ECDSA P-256 without
}

var (
	forServer = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	forClient = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	forBoth   = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	loopback  = []string{"localhost", "127.0.0.1", "::1"}
)

const nameless = "-"

const (
	day  = 24 * time.Hour
	year = 365 * day
)

func identities() []identity {
	return []identity{
		{name: "ca", cn: "etcd-ca", ca: true, until: 10 * year},
		{name: "peer-ca", cn: "etcd-peer-ca", ca: true, until: 10 * year},
		{name: "kubernetes-ca", cn: "kubernetes", ca: true, until: 10 * year},
		// The name of etcd's own CA, and another key.
		{name: "foreign-ca", cn: "etcd-ca", ca: true, until: 10 * year},

		{name: "server", issuer: "ca", usages: forBoth, hosts: loopback},
		{name: "server-only", issuer: "ca", usages: forServer, hosts: loopback},
		{name: "server-other-name", issuer: "ca", usages: forBoth, hosts: []string{"etcd-b.example.com", "192.0.2.10"}},
		{name: "server-expired", issuer: "ca", usages: forBoth, hosts: loopback, from: -2 * year, until: -day},
		{name: "server-soon", issuer: "ca", usages: forBoth, hosts: loopback, until: 5 * day},
		{name: "server-client-usage", issuer: "ca", usages: forClient, hosts: loopback},
		{name: "server-rsa1024", issuer: "ca", usages: forBoth, hosts: loopback, rsa: 1024},
		{name: "server-rsa2048", issuer: "ca", usages: forBoth, hosts: loopback, rsa: 2048},
		{name: "server-self-signed", usages: forBoth, hosts: loopback},
		{name: "server-kubernetes", issuer: "kubernetes-ca", usages: forBoth, hosts: loopback},
		{name: "peer", issuer: "peer-ca", usages: forBoth, hosts: loopback},
		{name: "peer-of-ca", issuer: "ca", usages: forBoth, hosts: loopback},
		{name: "peer-other-name", issuer: "peer-ca", usages: forBoth, hosts: []string{"etcd-b.example.com", "192.0.2.10"}},

		{name: "apiserver", issuer: "ca", cn: "kube-apiserver-etcd-client", org: "system:masters", usages: forClient},
		// A grpc-proxy refuses a certificate with a common name, which etcd would take for a user.
		{name: "proxy", issuer: "ca", cn: nameless, org: "grpc-proxy", usages: forClient},
		{name: "kubelet", issuer: "ca", cn: "system:node:worker-1", org: "system:nodes", usages: forClient},
		{name: "expired", issuer: "ca", usages: forClient, from: -2 * year, until: -day},
		{name: "revoked", issuer: "ca", usages: forClient},
		{name: "other-name", issuer: "ca", usages: forClient, hosts: []string{"other.example.com"}},
		{name: "root", issuer: "ca", usages: forClient},
		{name: "foreign", issuer: "foreign-ca", cn: "kube-apiserver-etcd-client", usages: forClient},
		{name: "kubernetes-apiserver", issuer: "kubernetes-ca", cn: "kube-apiserver-etcd-client", usages: forClient},
		{name: "self-signed", cn: "kube-apiserver-etcd-client", usages: forClient},
		{name: "masters", issuer: "kubernetes-ca", cn: "kubernetes-super-admin", org: "system:masters", usages: forClient},
	}
}

type signed struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// writePKI writes every identity to dir, with revoked.crl.pem and .der of the CA, an
// empty list none.crl.der, and ca-copy.crt, which is the CA at another path.
func writePKI(dir string) error {
	made := map[string]signed{}
	for i, id := range identities() {
		s, err := id.make(int64(i)+1000, made[id.issuer])
		if err != nil {
			return fmt.Errorf("make the certificate of %s: %w", id.name, err)
		}
		made[id.name] = s
		if err := s.write(dir, id.name); err != nil {
			return err
		}
	}
	list, err := revocations(made["ca"], made["revoked"].cert.SerialNumber)
	if err != nil {
		return err
	}
	none, err := revocations(made["ca"])
	if err != nil {
		return err
	}
	return writeFiles(dir, map[string][]byte{
		"revoked.crl.der": list,
		"revoked.crl.pem": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list}),
		"none.crl.der":    none,
		"ca-copy.crt":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made["ca"].cert.Raw}),
	})
}

func (id identity) make(serial int64, issuer signed) (signed, error) {
	key, err := id.newKey()
	if err != nil {
		return signed{}, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: id.cn},
		NotBefore: now.Add(id.from - time.Hour), NotAfter: now.Add(id.until),
		ExtKeyUsage: id.usages, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	switch id.cn {
	case "":
		t.Subject.CommonName = id.name
	case nameless:
		t.Subject.CommonName = ""
	}
	if id.org != "" {
		t.Subject.Organization = []string{id.org}
	}
	if id.until == 0 {
		t.NotAfter = now.Add(year)
	}
	if id.ca {
		t.IsCA, t.BasicConstraintsValid = true, true
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	}
	for _, host := range id.hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	if issuer.key == nil {
		issuer = signed{t, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		return signed{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return signed{cert, key}, err
}

func (id identity) newKey() (crypto.Signer, error) {
	if id.rsa > 0 {
		return rsa.GenerateKey(rand.Reader, id.rsa)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func (s signed) write(dir, name string) error {
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return err
	}
	return writeFiles(dir, map[string][]byte{
		name + ".crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}),
		name + ".key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	})
}

// writeFiles writes files that only this user can read.
func writeFiles(dir string, files map[string][]byte) error {
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func revocations(ca signed, serials ...*big.Int) ([]byte, error) {
	now := time.Now()
	t := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(30 * day)}
	for _, s := range serials {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: now.Add(-time.Hour)})
	}
	return x509.CreateRevocationList(rand.Reader, t, ca.cert, ca.key)
}
