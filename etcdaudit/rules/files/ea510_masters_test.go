package files_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestMasters(t *testing.T) {
	const file = "apiserver-kubelet-client.crt"
	none := func(n *controlplane.Node) {
		n.Facts.Host.Certificates = slices.DeleteFunc(n.Facts.Host.Certificates, func(c facts.Certificate) bool {
			return slices.Contains(c.Subject.Organization, "system:masters")
		})
	}
	const kubeconfig = "/root/.kube/config"
	// only replaces the certificates of system:masters.
	only := func(n *controlplane.Node, certificates ...*x509.Certificate) {
		none(n)
		for _, c := range certificates {
			n.Facts.Host.Certificates = append(n.Facts.Host.Certificates, facts.Certificate{File: kubeconfig, Inline: true, Certificate: c})
		}
	}
	controlplane.Run(t, "EA-510",
		controlplane.Case{Name: "an old one before another in one kubeconfig", Change: func(n *controlplane.Node) {
			old := *n.KubernetesCA.Client("old", "system:masters")
			old.NotAfter = controlplane.Now.Add(-time.Hour)
			only(n, &old, n.KubernetesCA.Client("admin", "system:masters"))
		}, Target: kubeconfig, Status: check.Warn, Says: "admin may do everything"},
		controlplane.Case{Name: "by an intermediate of the API server's CA", Change: func(n *controlplane.Node) {
			between := controlplane.NewAuthority(t, "between")
			only(n, between.Client("admin", "system:masters"), n.KubernetesCA.IssueFor(between.Cert.PublicKey, func(c *x509.Certificate) {
				c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = "between", true, true, x509.KeyUsageCertSign
			}))
		}, Target: kubeconfig, Status: check.Warn},
		controlplane.Case{Name: "for servers only", Change: func(n *controlplane.Node) {
			only(n, n.KubernetesCA.Issue(func(c *x509.Certificate) {
				c.Subject = pkix.Name{CommonName: "s", Organization: []string{"system:masters"}}
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			}))
		}, Target: kubeconfig, Status: check.Pass, Says: "no API server of this node trusts"},
		controlplane.Case{Name: "valid from tomorrow on", Change: func(n *controlplane.Node) {
			only(n, n.KubernetesCA.Issue(func(c *x509.Certificate) {
				c.Subject = pkix.Name{CommonName: "s", Organization: []string{"system:masters"}}
				c.NotBefore, c.NotAfter = controlplane.Now.Add(24*time.Hour), controlplane.Now.Add(48*time.Hour)
			}))
		}, Target: kubeconfig, Status: check.Warn},
		controlplane.Case{Name: "of another CA, and the CAs of a second API server were not read", Change: func(n *controlplane.Node) {
			only(n, n.EtcdCA.Client("root", "system:masters"))
			second := *n.APIServer()
			second.Files = map[string]facts.File{}
			n.Facts.Host.APIServers = append(n.Facts.Host.APIServers, second)
		}, Target: kubeconfig, Status: check.Warn, Says: "whether an API server trusts its CA is not known"},
		controlplane.Case{Name: "of another CA, and the API server takes no client certificates", Change: func(n *controlplane.Node) {
			only(n, n.EtcdCA.Client("root", "system:masters"))
			n.APIServer().Config.ClientCA = ""
		}, Target: kubeconfig, Status: check.Pass},
		controlplane.Case{Name: "kubeadm's for kubelets", Target: file, Status: check.Warn, Says: "for 365 days more; its key is on this node", Fix: "super-admin.conf"},
		controlplane.Case{Name: "none", Change: none, Status: check.Pass, Says: "none of"},
		controlplane.Case{Name: "expired", Change: func(n *controlplane.Node) {
			n.Facts.Host.Now = controlplane.Now.Add(400 * 24 * time.Hour)
		}, Target: file, Status: check.Pass, Says: "expired 35 days ago"},
		controlplane.Case{Name: "of etcd's CA", Change: func(n *controlplane.Node) {
			none(n)
			n.Facts.Host.Certificates = append(n.Facts.Host.Certificates, facts.Certificate{File: "/other.crt", Certificate: n.EtcdCA.Client("root", "system:masters")})
		}, Target: "/other.crt", Status: check.Pass, Says: "no API server of this node trusts"},
		controlplane.Case{Name: "of a CA that is not known", Change: func(n *controlplane.Node) {
			none(n)
			n.Facts.Host.APIServers = nil
			n.Facts.Host.Certificates = append(n.Facts.Host.Certificates, facts.Certificate{File: "/root/.kube/config", Inline: true, Certificate: n.EtcdCA.Client("root", "system:masters")})
		}, Target: "/root/.kube/config", Status: check.Warn, Says: "its key is not on this node"},
		controlplane.Case{Name: "no certificate", Change: func(n *controlplane.Node) { n.Facts.Host.Certificates = nil }, Status: check.NotEvaluated, Says: "no certificate was found"},
		controlplane.NoNode,
	)
}
