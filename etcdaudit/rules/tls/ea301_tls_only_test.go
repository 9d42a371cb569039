package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestTLSOnly(t *testing.T) {
	controlplane.Run(t, "EA-301",
		controlplane.Case{Name: "TLS, and no answer without it", Status: check.Pass, Says: "none of 3 requests"},
		controlplane.Case{Name: "plaintext only", Change: func(n *controlplane.Node) {
			n.Client().Served = nil
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Answered, "")
		}, Status: check.Fail, Says: "Range was answered without TLS", Fix: "/etc/kubernetes/manifests/etcd.yaml set --listen-client-urls=https://"},
		controlplane.Case{Name: "a plaintext gRPC request on the port of mTLS", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Answered, "")
		}, Status: check.Fail, Says: "on a port that speaks TLS as well"},
		controlplane.Case{Name: "plaintext HTTP/1 on the port of mTLS", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "GET /version was answered"},
		controlplane.Case{Name: "HTTP/2 without TLS", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.Settings, "", facts.Answered, "")
		}, Status: check.Fail, Says: "SETTINGS"},
		controlplane.Case{Name: "a server of TLS says that it wants TLS", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 400")
		}, Status: check.Pass},
		controlplane.Case{Name: "plaintext whose reader is denied by RBAC is plaintext", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Denied, "etcdserver: permission denied")
		}, Status: check.Fail},
		controlplane.Case{Name: "another etcd than the one of the node", Change: func(n *controlplane.Node) {
			n.Client().URL = "https://192.0.2.99:2379"
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Answered, "")
		}, Status: check.Fail, Fix: "start etcd with --listen-client-urls"},
		controlplane.Case{Name: "a plain socket", Change: func(n *controlplane.Node) {
			n.Client().URL = "unix:///run/etcd.sock"
			n.Client().Served = nil
		}, Status: check.Pass, Says: "owner and mode"},
		controlplane.Case{Name: "nothing was sent without TLS", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return !e.TLS })
		}, Status: check.NotEvaluated, Says: "--passive", Expected: true},
		controlplane.Case{Name: "gRPC was not tried", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return !e.TLS && e.Request == facts.Range })
			n.Client().Skipped = []facts.Missing{{What: "plaintext requests", Why: "the address was silent"}}
		}, Status: check.NotEvaluated, Says: "silent"},
		controlplane.Case{Name: "something that speaks neither", Change: func(n *controlplane.Node) {
			n.Client().Served = nil
		}, Status: check.NotEvaluated, Says: "nothing here has answered"},
		controlplane.Case{Name: "nothing is known of a silent address", Change: func(n *controlplane.Node) {
			n.Client().Unreachable = "silent for 10 s"
		}, Target: ":2379", Status: check.NotEvaluated, Says: "silent"},
		controlplane.Case{Name: "no connection was made", Change: func(n *controlplane.Node) {
			n.Facts.Wire = nil
		}, Status: check.NotEvaluated, Says: "no connection"},
		controlplane.Case{Name: "an address that was not found", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Listeners = nil
			n.Facts.Wire.Missing = []facts.Missing{{What: "client addresses", Why: "no manifest"}}
		}, Status: check.NotEvaluated, Says: "no manifest"},
		controlplane.Case{Name: "a managed control plane", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Listeners = nil
			n.Facts.Host.Setup = facts.Setup{Kind: facts.Managed, Fact: "nodes of EKS", Ask: "ask AWS"}
		}, Status: check.NotEvaluated, Says: "nodes of EKS", Fix: "ask AWS"},
		controlplane.Case{Name: "a proxy that ends TLS is named", Change: func(n *controlplane.Node) {
			n.Client().Behind = "grpc-proxy"
		}, Status: check.Pass, Says: "this is grpc-proxy, not etcd itself"},
	)
}
