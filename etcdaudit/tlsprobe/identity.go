package tlsprobe

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"syscall"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

const nonBlocking = syscall.O_NONBLOCK

// Labels of the identities that are not given by the user.
const (
	None         = "none"
	SelfSigned   = "self-signed"
	ForgedIssuer = "forged issuer"
	Own          = "own"
)

// Identity is a client that connections are made as, with its private key.
type Identity struct {
	facts.Identity
	pair *tls.Certificate
}

// LoadIdentity reads a client's certificate and key, both PEM. The identity with the
// label Own is the auditor's own. A key is never part of an error.
func LoadIdentity(label, certFile, keyFile string) (Identity, error) {
	wrap := func(file, format string, args ...any) error {
		return fmt.Errorf("client certificate %q: %s: %w", label, file, fmt.Errorf(format, args...))
	}
	kind := facts.Given
	switch label {
	case Own:
		kind = facts.Own
	case None, SelfSigned, ForgedIssuer, "":
		return Identity{}, fmt.Errorf("client certificate %q: that label is taken: choose another one", label)
	}
	certPEM, err := readFile(certFile)
	if err != nil {
		return Identity{}, wrap(certFile, "%w", err)
	}
	keyPEM, err := readFile(keyFile)
	if err != nil {
		return Identity{}, wrap(keyFile, "%w", err)
	}
	chain, err := parseChain(certPEM)
	if err != nil {
		return Identity{}, wrap(certFile, "%w", err)
	}
	if err := checkKey(keyPEM); err != nil {
		return Identity{}, wrap(keyFile, "%w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "does not match"):
		return Identity{}, wrap(keyFile, "it is the key of another certificate than that in %s", certFile)
	default:
		return Identity{}, wrap(keyFile, "the private key cannot be read: want PKCS #8, PKCS #1 or SEC 1")
	}
	return Identity{Identity: facts.Identity{Label: label, Kind: kind, Chain: chain, File: certFile}, pair: &pair}, nil
}

func parseChain(data []byte) (chain []*x509.Certificate, _ error) {
	other := ""
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			other = block.Type
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a certificate in it cannot be parsed")
		}
		chain = append(chain, cert)
	}
	switch {
	case len(chain) > 0:
		return chain, nil
	case strings.HasSuffix(other, "PRIVATE KEY"):
		return nil, errors.New("it holds a private key and no certificate: are certificate and key swapped?")
	case other != "":
		return nil, errors.New("no certificate in it")
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return nil, errors.New("it is DER: convert it with openssl x509 -inform der")
	}
	return nil, errors.New("not PEM")
}

// checkKey says why a file holds no private key that can be used.
func checkKey(data []byte) error {
	certificate := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return errors.New("the private key is encrypted: etcd's clients read plain keys only; decrypt it with openssl pkey")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil
		}
		certificate = certificate || block.Type == "CERTIFICATE"
	}
	if certificate {
		return errors.New("it holds a certificate and no private key: are certificate and key swapped?")
	}
	return errors.New("no private key in it, or not PEM")
}

// identities are all clients of one run.
type identities struct {
	none, selfSigned, forged, own *Identity
	given                         []Identity
	key                           crypto.Signer
}

func makeIdentities(c Config) (*identities, error) {
	seen := map[string]bool{}
	for _, g := range c.Given {
		if seen[g.Label] {
			return nil, fmt.Errorf("client certificate %q is given twice", g.Label)
		}
		seen[g.Label] = true
	}
	made := &identities{own: c.Own, given: c.Given, none: &Identity{Identity: facts.Identity{Label: None, Kind: facts.NoCertificate}}}
	if c.Passive {
		return made, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for self-signed clients: %w", err)
	}
	made.key = key
	template := clientTemplate(c.Now())
	made.selfSigned, err = made.sign(SelfSigned, facts.SelfSigned, template, template)
	if err != nil {
		return nil, err
	}
	// Each listener has a CA name of its own to forge. This one stands for all of them.
	made.forged, err = made.forge(nil, nil, c.Now())
	return made, err
}

func (i *identities) facts() (all []facts.Identity) {
	for _, identity := range []*Identity{i.none, i.selfSigned, i.forged, i.own} {
		if identity != nil {
			all = append(all, identity.Identity)
		}
	}
	for _, g := range i.given {
		all = append(all, g.Identity)
	}
	return all
}

// accepted are those that a server may be meant to let in.
func (i *identities) accepted() (all []*Identity) {
	if i.own != nil {
		all = append(all, i.own)
	}
	for n := range i.given {
		all = append(all, &i.given[n])
	}
	return all
}

// forge makes a client of a CA of our own that has the name (DER) and the key identifier of
// the server's. Without a name it takes that of kubeadm.
func (i *identities) forge(subject, keyID []byte, now time.Time) (*Identity, error) {
	issuer := &x509.Certificate{
		Subject: pkix.Name{CommonName: "etcd-ca"}, RawSubject: subject, SubjectKeyId: keyID,
		PublicKey: i.key.Public(),
	}
	return i.sign(ForgedIssuer, facts.ForgedIssuer, clientTemplate(now), issuer)
}

func (i *identities) sign(label string, kind facts.IdentityKind, template, issuer *x509.Certificate) (*Identity, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, i.key.Public(), i.key)
	if err != nil {
		return nil, fmt.Errorf("make the client certificate %q: %w", label, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the client certificate %q: %w", label, err)
	}
	return &Identity{
		Identity: facts.Identity{Label: label, Kind: kind, Chain: []*x509.Certificate{leaf}},
		pair:     &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: i.key, Leaf: leaf},
	}, nil
}

// clientTemplate has no name of a host: a peer port compares those with the address.
func clientTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: ServerName},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// readAll reads up to limit bytes, and refuses more.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("it is larger than %d KiB", limit>>10)
	}
	return b.Bytes(), nil
}
