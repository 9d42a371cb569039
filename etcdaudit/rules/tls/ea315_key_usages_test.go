package tls_test

import (
	"crypto/x509"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestKeyUsages(t *testing.T) {
	controlplane.Run(t, "EA-315",
		controlplane.Case{Name: "both", Target: ":2379", Status: check.Pass, Says: "server auth and client auth"},
		controlplane.Case{Name: "no extension is no limit", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.DNSNames = nil
			})
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "client auth only", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			})
		}, Target: ":2379", Status: check.Fail, Says: "does not allow server auth"},
		controlplane.Case{Name: "server auth only: the gateway", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			})
		}, Target: ":2379", Status: check.Warn, Says: "JSON gateway", Fix: "--client-cert-file"},
		controlplane.Case{Name: "server auth only, and another certificate for the gateway", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			})
			n.Etcd().Config.Client.ClientCert = "/etc/etcd/gateway.pem"
		}, Target: ":2379", Status: check.Pass, Says: "another certificate"},
		controlplane.Case{Name: "server auth only, and no certificate demanded", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			})
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Target: ":2379", Status: check.Pass, Says: "not needed"},
		controlplane.Case{Name: "server auth only: peers", Change: func(n *controlplane.Node) {
			n.Peer().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			})
		}, Target: ":2380", Status: check.Fail, Says: "needs to connect to the others"},
		controlplane.Case{Name: "server auth only: peers that ask for no certificate (peer-auto-tls)", Change: func(n *controlplane.Node) {
			n.Peer().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			})
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
		}, Target: ":2380", Status: check.Pass, Says: "not needed"},
		controlplane.Case{Name: "the issuer is limited", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = append(n.Client().Served.Chain, n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.Subject.CommonName, c.ExtKeyUsage = "between", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			}))
		}, Target: ":2379", Status: check.Fail, Says: "CN=between does not allow server auth"},
		controlplane.Case{Name: "no certificate was seen", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no certificate was seen"},
		controlplane.WithoutTLS,
		controlplane.NoConnection,
	)
}
