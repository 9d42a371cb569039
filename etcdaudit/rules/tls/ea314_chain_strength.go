package tls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func chainStrength() rule {
	return rule{
		ID: "EA-314", Title: "Keys and signatures of the served chain are strong", Severity: check.Medium,
		Why:   "a key that can be computed, or a signature that can be forged, lets another machine pass for etcd",
		Reads: "type and size of the keys, and the signature algorithms, of the chain that each address serves",
		Needs: needs{speaksTLS, hasChain}, Run: one(judgeStrength),
	}
}

func judgeStrength(a at) check.Result {
	var weak []string
	for i, c := range a.l.Served.Chain {
		if why := weakKey(c); why != "" {
			weak = append(weak, name(c.Subject)+" "+why)
		}
		// A root's signature of itself is not what makes it trusted. Names do not show that it
		// is one: two CAs can have the same.
		root := i > 0 && selfSigned(c)
		if why := weakSignature(c); why != "" && !root {
			weak = append(weak, name(c.Subject)+" "+why)
		}
	}
	if len(weak) > 0 {
		return with(check.Failed("", strings.Join(weak, "; "), "issue it anew with an ECDSA key on P-256, or RSA of 2048 bits and more, signed with SHA-256"), a.chain()...)
	}
	return with(check.Passed("", facts.KeyName(a.l.Served.Chain[0])+", signed with "+a.l.Served.Chain[0].SignatureAlgorithm.String()), a.chain()...)
}

func weakKey(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return "has a key of " + facts.KeyName(c)
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			return "has a key of " + facts.KeyName(c)
		}
	case ed25519.PublicKey:
	default:
		return "has a key of " + facts.KeyName(c) + ", which Go does not accept"
	}
	return ""
}

func weakSignature(c *x509.Certificate) string {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return "is signed with " + c.SignatureAlgorithm.String()
	}
	return ""
}
