package tls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"slices"

	"github.com/sealproof/sealproof/internal/check"
)

func notSelfMade() rule {
	return rule{
		ID: "EA-316", Title: "The served certificate is neither self-signed nor made by etcd itself", Severity: check.High,
		Why:   "nothing tells a self-signed certificate from that of an attacker in between; with auto-tls etcd moreover asks for no client certificate",
		Reads: "issuer and signature of the certificate that each address serves, and the marks of those that etcd makes (auto-tls)",
		Needs: needs{speaksTLS, hasChain}, Run: one(judgeSelfMade),
	}
}

func judgeSelfMade(a at) check.Result {
	leaf := a.l.Served.Chain[0]
	switch self := selfSigned(leaf); {
	case self && madeByEtcd(leaf):
		return with(check.Failed("", "it has the marks of a certificate that etcd makes for itself (auto-tls): O=etcd, P-521, its own issuer", a.demanding()), a.chain()...)
	case self:
		return with(check.Failed("", "it is signed with its own key", a.demanding()), a.chain()...)
	}
	return with(check.Passed("", "issued by "+name(leaf.Issuer)), a.chain()...)
}

// selfSigned reports whether a certificate is signed with its own key. Names do not show that.
func selfSigned(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// madeByEtcd reports whether a certificate is like those of SelfCert (etcd,
// client/pkg/transport/listener.go).
func madeByEtcd(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	return ok && key.Curve == elliptic.P521() && slices.Equal(c.Subject.Organization, []string{"etcd"}) && c.Subject.CommonName == "" && c.IsCA
}
