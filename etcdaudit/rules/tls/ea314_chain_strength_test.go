package tls_test

import (
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestChainStrength(t *testing.T) {
	controlplane.Run(t, "EA-314",
		controlplane.Case{Name: "ECDSA on P-256", Target: ":2379", Status: check.Pass, Says: "ECDSA P-256, signed with ECDSA-SHA256"},
		controlplane.Case{Name: "RSA of 1024 bits", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.IssueFor(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}, func(c *x509.Certificate) { c.Subject.CommonName = "short" })
		}, Target: ":2379", Status: check.Fail, Says: "CN=short has a key of RSA 1024", Fix: "P-256"},
		controlplane.Case{Name: "RSA of 2048 bits", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.IssueFor(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, func(*x509.Certificate) {})
		}, Target: ":2379", Status: check.Pass, Says: "RSA 2048"},
		controlplane.Case{Name: "P-224", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = controlplane.SelfSigned(n.T, elliptic.P224(), func(*x509.Certificate) {})
		}, Target: ":2379", Status: check.Fail, Says: "P-224"},
		controlplane.Case{Name: "SHA-1 of an issuer", Change: func(n *controlplane.Node) {
			between := *n.EtcdCA.Client("between")
			between.SignatureAlgorithm = x509.SHA1WithRSA
			n.Client().Served.Chain = append(n.Client().Served.Chain, &between)
		}, Target: ":2379", Status: check.Fail, Says: "CN=between is signed with SHA1-RSA"},
		controlplane.Case{Name: "a root's signature of itself does not count", Change: func(n *controlplane.Node) {
			root := controlplane.SelfSigned(n.T, elliptic.P256(), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })
			n.Client().Served.Chain = append(n.Client().Served.Chain, root)
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "a served leaf's signature of itself does", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = controlplane.SelfSigned(n.T, elliptic.P256(), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })
		}, Target: ":2379", Status: check.Fail, Says: "ECDSA-SHA1"},
		controlplane.Case{Name: "an issuer of the name of its own issuer is no root", Change: func(n *controlplane.Node) {
			between := n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.Subject.CommonName, c.SignatureAlgorithm = "etcd-ca", x509.ECDSAWithSHA1
			})
			n.Client().Served.Chain = append(n.Client().Served.Chain, between)
		}, Target: ":2379", Status: check.Fail, Says: "CN=etcd-ca is signed with ECDSA-SHA1"},
		controlplane.Case{Name: "no certificate was seen", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no certificate was seen"},
		controlplane.WithoutTLS,
		controlplane.NoConnection,
	)
}
