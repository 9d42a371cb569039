package tls_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestNotSelfMade(t *testing.T) {
	controlplane.Run(t, "EA-316",
		controlplane.Case{Name: "of a CA", Target: ":2379", Status: check.Pass, Says: "issued by CN=etcd-ca"},
		controlplane.Case{Name: "auto-tls", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = controlplane.SelfSigned(n.T, elliptic.P521(), func(c *x509.Certificate) {
				c.Subject.Organization, c.IsCA, c.BasicConstraintsValid = []string{"etcd"}, true, true
			})
		}, Target: ":2379", Status: check.Fail, Says: "auto-tls", Fix: "--cert-file"},
		controlplane.Case{Name: "self-signed by another program", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = controlplane.SelfSigned(n.T, elliptic.P256(), func(c *x509.Certificate) { c.Subject.CommonName = "etcd" })
		}, Target: ":2379", Status: check.Fail, Says: "signed with its own key"},
		controlplane.Case{Name: "its issuer has its name, and another key", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Client("etcd-ca")
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "peers", Change: func(n *controlplane.Node) {
			n.Peer().Served.Chain[0] = controlplane.SelfSigned(n.T, elliptic.P256(), func(*x509.Certificate) {})
		}, Target: ":2380", Status: check.Fail, Fix: "--peer-cert-file"},
		controlplane.Case{Name: "no certificate was seen", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no certificate was seen"},
		controlplane.WithoutTLS,
		controlplane.NoConnection,
	)
}
