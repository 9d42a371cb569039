package facts

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
)

// CertificateHash names a certificate: "sha256:" and the hash of its DER form, in
// hexadecimal.
func CertificateHash(c *x509.Certificate) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(c.Raw))
}

// KeyHash names the public key of a certificate. Two certificates of one CA, such as before
// and after its renewal, have the same one.
func KeyHash(c *x509.Certificate) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(c.RawSubjectPublicKeyInfo))
}

// KeyName names the kind and size of a certificate's key: "ECDSA P-256", "RSA 2048".
func KeyName(c *x509.Certificate) string {
	return cmp.Or(PublicKeyName(c.PublicKey), c.PublicKeyAlgorithm.String())
}

// PublicKeyName is KeyName for a public key; empty for a kind that is not known.
func PublicKeyName(public crypto.PublicKey) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return ""
	}
}

// UsageNames names the extended key usages of a certificate as OpenSSL does: "serverAuth".
// It is empty where all are allowed.
func UsageNames(c *x509.Certificate) (names []string) {
	for _, usage := range c.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageAny:
			names = append(names, "any")
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "serverAuth")
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "clientAuth")
		default:
			names = append(names, fmt.Sprintf("usage %d", usage))
		}
	}
	for _, id := range c.UnknownExtKeyUsage {
		names = append(names, id.String())
	}
	return names
}

// String returns the outcome as reports write it.
func (o Outcome) String() string {
	names := [...]string{"unknown", "answered", "denied", "refused", "closed", "mismatch", "silent", "failed"}
	return names[min(int(o), len(names)-1)%len(names)]
}
