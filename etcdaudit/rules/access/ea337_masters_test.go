package access_test

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestMasters(t *testing.T) {
	only := func(certificates ...facts.Certificate) func(*controlplane.Node) {
		return func(n *controlplane.Node) { n.Facts.Host.Certificates = certificates }
	}
	issued := func(change func(*facts.Certificate), organizations ...string) func(*controlplane.Node) {
		return func(n *controlplane.Node) {
			c := facts.Certificate{File: "/etc/kubernetes/super-admin.conf", Certificate: n.KubernetesCA.Client("admin", organizations...), HasKey: true, Inline: true}
			change(&c)
			only(c)(n)
		}
	}
	asIs := func(*facts.Certificate) {}
	controlplane.Run(t, "EA-337",
		controlplane.Case{Name: "an administrator's kubeconfig", Change: issued(asIs, "system:masters"), Status: check.Warn, Says: "1 of system:masters", Fix: "super-admin.conf"},
		controlplane.Case{Name: "among other groups", Change: issued(asIs, "team", "system:masters"), Status: check.Warn, Says: "1 of system:masters"},
		controlplane.Case{Name: "kubeadm's administrators, on whom RBAC decides", Change: issued(asIs, "kubeadm:cluster-admins"), Status: check.Pass, Says: "none was found"},
		controlplane.Case{Name: "without its key", Change: issued(func(c *facts.Certificate) { c.HasKey = false }, "system:masters"), Status: check.Pass, Says: "none"},
		controlplane.Case{Name: "expired", Change: func(n *controlplane.Node) {
			issued(asIs, "system:masters")(n)
			n.Facts.Host.Now = n.Facts.Host.Certificates[0].NotAfter.Add(time.Second)
		}, Status: check.Pass, Says: "none"},
		controlplane.Case{Name: "of etcd's CA, which the API server takes no clients of", Change: func(n *controlplane.Node) {
			only(facts.Certificate{File: "a", Certificate: n.EtcdCA.Client("kube-apiserver-etcd-client", "system:masters"), HasKey: true})(n)
		}, Status: check.Pass, Says: "none"},
		controlplane.Case{Name: "no CA of clients", Change: func(n *controlplane.Node) { n.APIServer().Config.ClientCA = "" }, Status: check.NotEvaluated, Says: "which CA the API server takes clients of is not known"},
		controlplane.Managed,
		controlplane.NoNode,
	)
}
