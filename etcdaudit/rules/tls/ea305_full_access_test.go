package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestFullAccess(t *testing.T) {
	controlplane.Run(t, "EA-305",
		controlplane.Case{Name: "RBAC is off", Status: check.Warn, Says: "on this node: 4 certificates"},
		controlplane.Case{Name: "RBAC is off, and no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Status: check.Warn, Says: "who else holds one is not known"},
		controlplane.Case{Name: "RBAC is on", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.RangeAll, "own", facts.Denied, "etcdserver: permission denied")
		}, Status: check.Pass, Says: "etcd's RBAC denied"},
		controlplane.Case{Name: "a certificate of root lies on the node", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.RangeAll, "own", facts.Denied, "")
			n.Facts.Host.Certificates = append(n.Facts.Host.Certificates, facts.Certificate{File: "/root/root.crt", Certificate: n.EtcdCA.Client("root")})
		}, Status: check.Warn, Says: "1 certificate of its user root"},
		controlplane.Case{Name: "root may read everything by design", Change: func(n *controlplane.Node) {
			n.Identify("root", n.EtcdCA.Client("root"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.RangeAll, "root", facts.Answered, "OK")
			controlplane.Says(n.Client(), controlplane.TLS, facts.RangeAll, "own", facts.Denied, "")
		}, Status: check.Pass},
		controlplane.Case{Name: "only root was asked", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Identities[3].Chain[0] = n.EtcdCA.Client("root")
		}, Status: check.NotEvaluated, Says: "which etcd's RBAC allows to its user root", Fix: "another client"},
		controlplane.Case{Name: "a proxy answers for an etcd that is away", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.RangeAll, "own", facts.Answered, "gRPC Unavailable")
		}, Status: check.NotEvaluated, Says: "gRPC Unavailable"},
		controlplane.Case{Name: "kine denies nothing", Change: func(n *controlplane.Node) {
			n.Client().Behind = "kine"
			controlplane.Says(n.Client(), controlplane.TLS, facts.RangeAll, "own", facts.Answered, "kine does not know this form of the request")
		}, Status: check.Warn, Says: "reads everything"},
		controlplane.Case{Name: "an address for HTTP alone", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
		}, Status: check.Warn, Says: "reads everything"},
		controlplane.Case{Name: "the gateway denies keys to a caller without a user", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
			controlplane.Says(n.Client(), controlplane.TLS, facts.GatewayRange, "own", facts.Answered, "HTTP 400")
		}, Status: check.NotEvaluated, Says: "HTTP 400"},
		controlplane.Case{Name: "it was not asked", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return e.Request == facts.RangeAll })
		}, Status: check.NotEvaluated, Says: "was not tried"},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Status: check.NotApplicable, Says: "EA-302"},
		controlplane.NoConnection,
	)
}
