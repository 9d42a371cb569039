package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestOnlyIntended(t *testing.T) {
	controlplane.Run(t, "EA-304",
		controlplane.Case{Name: "a kubelet's certificate is refused", Change: func(n *controlplane.Node) {
			n.Identify("kubelet", n.KubernetesCA.Client("system:node:node", "system:nodes"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "kubelet", facts.Refused, "alert: unknown certificate authority")
		}, Target: "kubelet", Status: check.Pass, Says: "unknown certificate authority"},
		controlplane.Case{Name: "a kubelet's certificate is accepted", Change: func(n *controlplane.Node) {
			n.Identify("kubelet", n.KubernetesCA.Client("system:node:node", "system:nodes"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "kubelet", facts.Answered, "")
		}, Target: "kubelet", Status: check.Fail, Says: "CN=system:node:node", Fix: "CA of its own"},
		controlplane.Case{Name: "a kubelet's certificate at an address for HTTP alone", Change: func(n *controlplane.Node) {
			n.Identify("kubelet", n.KubernetesCA.Client("system:node:node", "system:nodes"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "kubelet", facts.Refused, "alert: unknown certificate authority")
			controlplane.OverHTTP(n.Client())
		}, Target: "kubelet", Status: check.Pass, Says: "unknown certificate authority"},
		controlplane.Case{Name: "one that RBAC denies is accepted all the same", Change: func(n *controlplane.Node) {
			n.Identify("kubelet", n.KubernetesCA.Client("system:node:node", "system:nodes"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "kubelet", facts.Denied, "")
		}, Target: "kubelet", Status: check.Fail},
		controlplane.Case{Name: "an end without an alert has two reasons", Change: func(n *controlplane.Node) {
			n.Client().URL = "https://192.0.2.99:2379"
			n.Identify("revoked", n.EtcdCA.Client("gone"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "revoked", facts.Closed, "EOF")
		}, Target: "revoked", Status: check.Pass, Says: "it is revoked, or the revocation list cannot be read"},
		controlplane.Case{Name: "with a revocation list and no names it is the list", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl.der"
			n.Identify("revoked", n.EtcdCA.Client("gone"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "revoked", facts.Closed, "EOF")
		}, Target: "revoked", Status: check.Pass, Says: "it is in the revocation list /etc/etcd/crl.der"},
		controlplane.Case{Name: "with names and no list it is the name", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.AllowedHostnames = []string{"apiserver"}
			n.Identify("other", n.EtcdCA.Client("other"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "other", facts.Refused, "alert: bad certificate")
		}, Target: "other", Status: check.Pass, Says: "alert: bad certificate: its name is not allowed"},
		controlplane.Case{Name: "without the node a bad certificate has three reasons", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
			n.Identify("other", n.EtcdCA.Client("other"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "other", facts.Refused, "alert: bad certificate")
		}, Target: "other", Status: check.Pass, Says: "its name is not allowed, it is revoked, or it is for another usage"},
		controlplane.Case{Name: "a list that refuses everyone shows nothing", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("own"))
			n.Identify("revoked", n.EtcdCA.Client("gone"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "revoked", facts.Closed, "EOF")
		}, Target: "revoked", Status: check.NotEvaluated, Says: "may refuse everyone"},
		controlplane.Case{Name: "an identity that was given and not tried", Change: func(n *controlplane.Node) {
			n.Identify("kubelet", n.KubernetesCA.Client("system:node:node", "system:nodes"))
		}, Target: "kubelet", Status: check.NotEvaluated, Says: "\"kubelet\""},
		controlplane.Case{Name: "none was given", Status: check.NotEvaluated, Says: "no certificate was given", Fix: "--probe-cert kubelet=", Expected: true},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Status: check.NotApplicable, Says: "EA-302"},
		controlplane.NoConnection,
	)
}
