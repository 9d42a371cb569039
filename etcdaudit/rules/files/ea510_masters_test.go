package files_test

import (
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
	controlplane.Run(t, "EA-510",
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
