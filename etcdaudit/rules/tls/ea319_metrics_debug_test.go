package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestMetricsDebug(t *testing.T) {
	controlplane.Run(t, "EA-319",
		controlplane.Case{Name: "metrics on loopback", Target: ":2381", Status: check.Pass, Says: "from this node only"},
		controlplane.Case{Name: "metrics at every address, tested on loopback", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenMetrics = []string{"http://0.0.0.0:2381"}
		}, Target: ":2381", Status: check.Warn, Says: "listens at every address"},
		controlplane.Case{Name: "metrics on loopback of an etcd that was not read", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds = nil
		}, Target: ":2381", Status: check.NotEvaluated, Says: "at which others", Fix: "--metrics-endpoints", Expected: true},
		controlplane.Case{Name: "the client address wants a certificate", Target: ":2379", Status: check.Pass, Says: "neither metrics nor debug pages"},
		controlplane.Case{Name: "metrics for the network", Change: func(n *controlplane.Node) {
			n.Metrics().URL = "http://0.0.0.0:2381"
		}, Target: ":2381", Status: check.Warn, Says: "keys and values are not in them", Fix: "--listen-metrics-urls=http://127.0.0.1:2381"},
		controlplane.Case{Name: "metrics over https with a certificate", Change: func(n *controlplane.Node) {
			n.Metrics().URL = "https://192.0.2.10:2381"
			n.Metrics().Exchanges = nil
			n.Metrics().Served = n.Client().Served
			for request, said := range map[facts.Request]string{facts.GetMetrics: "HTTP 200", facts.GetPprof: "HTTP 404", facts.GetVars: "HTTP 404"} {
				controlplane.Says(n.Metrics(), controlplane.TLS, request, "none", facts.Refused, "alert: certificate required")
				controlplane.Says(n.Metrics(), controlplane.TLS, request, "own", facts.Answered, said)
			}
		}, Target: ":2381", Status: check.Pass, Says: "neither"},
		controlplane.Case{Name: "one page of three was silent", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.GetVars, "none", facts.Silent, "no answer in time")
		}, Target: ":2379", Status: check.NotEvaluated, Says: `GET /debug/vars as "none": silent`},
		controlplane.Case{Name: "metrics on loopback, and profiles were not tried", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Metrics(), func(e facts.Exchange) bool { return e.Request == facts.GetPprof })
		}, Target: ":2381", Status: check.NotEvaluated, Says: "GET /debug/pprof/ without a certificate was not tried"},
		controlplane.Case{Name: "plaintext that is not spoken says nothing of TLS", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("own"))
			for _, page := range []facts.Request{facts.GetMetrics, facts.GetPprof, facts.GetVars} {
				controlplane.Says(n.Client(), controlplane.Plain, page, "", facts.Mismatch, "HTTP 400 of a server of TLS")
			}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no certificate was let in", Fix: "--cert and --key"},
		controlplane.Case{Name: "an address for gRPC alone", Change: func(n *controlplane.Node) {
			for _, page := range []facts.Request{facts.GetMetrics, facts.GetPprof, facts.GetVars} {
				controlplane.Says(n.Client(), controlplane.TLS, page, "own", facts.Closed, "closed after the handshake, without an alert")
			}
		}, Target: ":2379", Status: check.Pass, Says: "no HTTP is spoken here"},
		controlplane.Case{Name: "the address for HTTP alone, without TLS", Change: withoutTLS, Target: ":2382", Status: check.Fail, Says: "/metrics, /debug/vars", Fix: "--listen-client-http-urls=https://"},
		controlplane.Case{Name: "metrics at the address for HTTP alone, taken for one of metrics", Change: func(n *controlplane.Node) {
			n.Metrics().URL = "http://192.0.2.10:2382"
			n.Etcd().Config.ListenClientHTTP = []string{n.Metrics().URL}
		}, Target: ":2382", Status: check.Warn, Says: "by whatever reaches 192.0.2.10", Fix: "set --listen-client-http-urls=https://…"},
		controlplane.Case{Name: "what was taken for a metrics address reads keys", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
			controlplane.Says(n.Metrics(), controlplane.Plain, facts.GatewayRange, "", facts.Answered, "HTTP 200")
		}, Target: ":2381", Status: check.Fail, Says: "keys and values are read here", Fix: "--listen-client-http-urls=https://"},
		controlplane.Case{Name: "metrics for the network at an address for clients", Change: func(n *controlplane.Node) {
			n.Client().URL = "https://192.0.2.10:2379"
			controlplane.Says(n.Client(), controlplane.TLS, facts.GetMetrics, "none", facts.Answered, "HTTP 200")
		}, Target: ":2379", Status: check.Warn, Says: "whatever reaches 192.0.2.10", Fix: "--client-cert-auth=true"},
		controlplane.Case{Name: "metrics over https, and nobody was let in", Change: func(n *controlplane.Node) {
			n.Metrics().Exchanges = nil
			n.Metrics().Served = n.Client().Served
			controlplane.Says(n.Metrics(), controlplane.TLS, facts.GetMetrics, "none", facts.Refused, "alert: certificate required")
		}, Target: ":2381", Status: check.NotEvaluated, Says: "no certificate was let in"},
		controlplane.Case{Name: "profiles without a certificate", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.GetPprof, "none", facts.Answered, "HTTP 200")
		}, Target: ":2379", Status: check.Fail, Says: "/debug/pprof/", Fix: "--enable-pprof=false"},
		controlplane.Case{Name: "variables in plaintext, on loopback too", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.GetVars, "", facts.Answered, "HTTP 200")
		}, Target: ":2379", Status: check.Fail, Says: "/debug/vars", Fix: "EA-302): remove every http:// address"},
		controlplane.Case{Name: "nothing was asked", Change: func(n *controlplane.Node) {
			n.Metrics().Exchanges = nil
		}, Target: ":2381", Status: check.NotEvaluated, Says: "was not tried"},
		controlplane.Case{Name: "a plain socket", Change: func(n *controlplane.Node) {
			n.Client().URL = "unix:///run/etcd.sock"
		}, Target: "etcd.sock", Status: check.NotApplicable, Says: "unix socket"},
		controlplane.Foreign,
		controlplane.NoConnection,
	)
}
