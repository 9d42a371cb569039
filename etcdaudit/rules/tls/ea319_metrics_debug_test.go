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
		controlplane.Case{Name: "the client address wants a certificate", Target: ":2379", Status: check.Pass, Says: "neither metrics nor debug pages"},
		controlplane.Case{Name: "metrics for the network", Change: func(n *controlplane.Node) {
			n.Metrics().URL = "http://0.0.0.0:2381"
		}, Target: ":2381", Status: check.Warn, Says: "keys and values are not in them", Fix: "--listen-metrics-urls=http://127.0.0.1:2381"},
		controlplane.Case{Name: "metrics over https with a certificate", Change: func(n *controlplane.Node) {
			n.Metrics().URL = "https://192.0.2.10:2381"
			n.Metrics().Exchanges = nil
			n.Metrics().Served = n.Client().Served
			controlplane.Says(n.Metrics(), controlplane.TLS, facts.GetMetrics, "none", facts.Refused, "alert: certificate required")
			controlplane.Says(n.Metrics(), controlplane.TLS, facts.GetMetrics, "own", facts.Answered, "HTTP 200")
		}, Target: ":2381", Status: check.Pass, Says: "neither"},
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
		}, Target: ":2379", Status: check.Fail, Says: "/debug/vars"},
		controlplane.Case{Name: "nothing was asked", Change: func(n *controlplane.Node) {
			n.Metrics().Exchanges = nil
		}, Target: ":2381", Status: check.NotEvaluated, Says: "was not tried"},
		controlplane.Case{Name: "a plain socket", Change: func(n *controlplane.Node) {
			n.Client().URL = "unix:///run/etcd.sock"
		}, Target: "etcd.sock", Status: check.NotApplicable, Says: "unix socket"},
		controlplane.Case{Name: "no connection was made", Change: func(n *controlplane.Node) {
			n.Facts.Wire = nil
		}, Status: check.NotEvaluated, Says: "no connection"},
	)
}
