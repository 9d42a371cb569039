package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestPeersRefuseClients(t *testing.T) {
	controlplane.Run(t, "EA-308",
		controlplane.Case{Name: "kubeadm's one CA for both", Status: check.Warn, Says: "kube-apiserver-etcd-client", Fix: "--peer-trusted-ca-file"},
		controlplane.Case{Name: "a client's certificate is refused", Change: func(n *controlplane.Node) {
			n.Identify("peer", n.EtcdCA.Member("node"))
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "peer", facts.Answered, "HTTP 200")
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "own", facts.Refused, "alert: unknown certificate authority")
		}, Status: check.Pass, Says: "unknown certificate authority"},
		controlplane.Case{Name: "a member's own certificate is to be accepted", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Identities[3].Chain[0] = n.EtcdCA.Member("node")
		}, Status: check.NotEvaluated, Says: "made for clients only", Expected: true},
		controlplane.Case{Name: "without a member's certificate a refusal shows nothing", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "own", facts.Refused, "alert: bad certificate")
		}, Status: check.NotEvaluated, Says: "may refuse everyone", Fix: "--probe-cert peer=", Expected: true},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
		}, Status: check.NotApplicable, Says: "EA-307"},
		controlplane.NoConnection,
	)
}
