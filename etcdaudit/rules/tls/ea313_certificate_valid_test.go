package tls_test

import (
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestCertificateValid(t *testing.T) {
	controlplane.Run(t, "EA-313",
		controlplane.Case{Name: "valid for a year, and for the address", Target: ":2379", Status: check.Pass, Says: "365 days left"},
		controlplane.Case{Name: "ended", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
				c.NotBefore, c.NotAfter = controlplane.Now.AddDate(-1, 0, 0), controlplane.Now.Add(-time.Hour)
			})
		}, Target: ":2379", Status: check.Fail, Says: "has ended on 2026-11-27", Fix: "kubeadm certs renew"},
		controlplane.Case{Name: "not yet valid", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
				c.NotBefore = controlplane.Now.Add(time.Hour)
			})
		}, Target: ":2379", Status: check.Fail, Says: "is valid from", Fix: "clocks"},
		controlplane.Case{Name: "ends soon", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
				c.NotAfter = controlplane.Now.Add(10 * 24 * time.Hour)
			})
		}, Target: ":2379", Status: check.Warn, Says: "in 10 days"},
		controlplane.Case{Name: "its issuer ends soon", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = append(n.Client().Served.Chain, n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.Subject.CommonName, c.NotAfter = "between", controlplane.Now.Add(24*time.Hour)
			}))
		}, Target: ":2379", Status: check.Warn, Says: "CN=between ends"},
		controlplane.Case{Name: "for another address", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.DNSNames = []string{"elsewhere"}
			})
		}, Target: ":2379", Status: check.Fail, Says: "not for 127.0.0.1, but for elsewhere", Fix: "serverCertSANs"},
		controlplane.Case{Name: "a common name does not count", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.Subject.CommonName = "127.0.0.1"
			})
		}, Target: ":2379", Status: check.Fail, Says: "no name"},
		controlplane.Case{Name: "a socket has no name", Change: func(n *controlplane.Node) {
			n.Client().URL = "unixs:///run/etcd.sock"
			n.Client().Served.Chain[0] = n.EtcdCA.Issue(func(c *x509.Certificate) {
				c.DNSNames = []string{"elsewhere"}
			})
		}, Target: "etcd.sock", Status: check.Pass},
		controlplane.Case{Name: "of another CA", Change: func(n *controlplane.Node) {
			n.Client().Served.Verified = false
			n.Client().Served.ChainError = "x509: certificate signed by unknown authority"
		}, Target: ":2379", Status: check.Fail, Says: "unknown authority"},
		controlplane.Case{Name: "no CA was given", Change: func(n *controlplane.Node) {
			n.Client().Served.Verified = false
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no CA was given", Fix: "--cacert"},
		controlplane.Case{Name: "peers have a CA of their own, which is on the node", Change: func(n *controlplane.Node) {
			n.Peer().Served.Verified, n.Peer().Served.ChainError = false, "x509: certificate signed by unknown authority"
		}, Target: ":2380", Status: check.Pass},
		controlplane.Case{Name: "peers have a CA of their own, which is not known", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
			n.Peer().Served.Verified, n.Peer().Served.ChainError = false, "x509: certificate signed by unknown authority"
		}, Target: ":2380", Status: check.NotEvaluated, Says: "CA of the peers is not known", Expected: true},
		controlplane.Case{Name: "no certificate was seen", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = nil
			n.Client().Exchanges = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "a TLS handshake was not tried"},
		controlplane.Case{Name: "no certificate was seen in the handshakes that were tried", Change: func(n *controlplane.Node) {
			n.Client().Served.Chain = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: `no certificate was seen: Range as "none": refused (alert: certificate required)`},
		controlplane.WithoutTLS,
		controlplane.Silent,
		controlplane.NoConnection,
	)
}
