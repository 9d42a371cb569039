package tls_test

import (
	"io/fs"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

// plainSocket makes the address for clients a unix socket without TLS.
func plainSocket(n *controlplane.Node, mode fs.FileMode, uid, gid int) {
	l := n.Client()
	l.URL, l.Served, l.Exchanges = "unix:///run/etcd/etcd.sock", nil, nil
	n.Etcd().Config.ListenClient = []string{l.URL}
	root := hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o755}
	l.Socket = &facts.Socket{Endpoint: l.URL, Path: hostfacts.Path{Exists: true, Mode: fs.ModeSocket | mode, UID: uid, GID: gid}, Way: []hostfacts.Path{root, root}}
}

// withoutTLS makes the address for clients one of --listen-client-http-urls without TLS, to
// which each caller is let in.
func withoutTLS(n *controlplane.Node) {
	l := n.Client()
	l.URL, l.Served, l.Exchanges = "http://192.0.2.10:2382", nil, nil
	n.Etcd().Config.ListenClientHTTP = []string{l.URL}
	controlplane.Says(l, controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 200")
	controlplane.Says(l, controlplane.Plain, facts.Range, "", facts.Mismatch, "the answer is not HTTP/2")
	controlplane.Says(l, controlplane.Plain, facts.GatewayRange, "", facts.Answered, "HTTP 200")
	for _, page := range []facts.Request{facts.GetMetrics, facts.GetVars} {
		controlplane.Says(l, controlplane.Plain, page, "", facts.Answered, "HTTP 200")
	}
	controlplane.Says(l, controlplane.Plain, facts.GetPprof, "", facts.Answered, "HTTP 404")
}

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
			plainSocket(n, 0o755, 0, 0)
		}, Status: check.Pass, Says: "only root can use"},
		controlplane.Case{Name: "a plain socket of etcd's user", Change: func(n *controlplane.Node) {
			plainSocket(n, 0o755, 990, 990)
			n.Etcd().Process.UID = 990
		}, Status: check.Pass, Says: "etcd's user (uid 990)"},
		controlplane.Case{Name: "a plain socket of another user than etcd's", Change: func(n *controlplane.Node) {
			plainSocket(n, 0o755, 990, 990)
		}, Status: check.Warn, Says: "of uid 990, and etcd runs as uid 0", Fix: "0700"},
		controlplane.Case{Name: "a plain socket for a group", Change: func(n *controlplane.Node) {
			plainSocket(n, 0o770, 0, 990)
		}, Status: check.Warn, Says: "each user in group 990"},
		controlplane.Case{Name: "a plain socket for everyone", Change: func(n *controlplane.Node) {
			plainSocket(n, 0o777, 0, 0)
		}, Status: check.Warn, Says: "each user of the node"},
		controlplane.Case{Name: "a plain socket for everyone behind a directory of root", Change: func(n *controlplane.Node) {
			plainSocket(n, 0o777, 0, 0)
			n.Client().Socket.Way = append(n.Client().Socket.Way, hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o700})
		}, Status: check.Pass, Says: "only root can use"},
		controlplane.Case{Name: "a plain socket whose file was not read", Change: func(n *controlplane.Node) {
			plainSocket(n, 0o755, 0, 0)
			n.Client().Socket = nil
		}, Status: check.NotEvaluated, Says: "they were not read", Fix: "as root"},
		controlplane.Case{Name: "an address for HTTP alone", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return !e.TLS && e.Request == facts.Range })
		}, Status: check.Pass, Says: "none of 2 requests"},
		controlplane.Case{Name: "the gateway without TLS", Change: func(n *controlplane.Node) {
			withoutTLS(n)
		}, Status: check.Fail, Says: "POST /v3/kv/range was answered without TLS", Fix: "set --listen-client-http-urls=https://…"},
		controlplane.Case{Name: "gRPC without TLS was silent", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Silent, "no answer in time")
		}, Status: check.NotEvaluated, Says: "Range without TLS: silent"},
		controlplane.Case{Name: "a proxy that sends clients to https", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 301")
		}, Status: check.NotEvaluated, Says: "HTTP 301), which is no answer of etcd"},
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
		controlplane.Silent,
		controlplane.Foreign,
		controlplane.NoConnection,
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
