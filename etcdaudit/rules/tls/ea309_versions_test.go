package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestVersions(t *testing.T) {
	controlplane.Run(t, "EA-309",
		controlplane.Case{Name: "both that etcd has", Target: ":2379", Status: check.Pass, Says: "TLS 1.2 and TLS 1.3, neither TLS 1.0 nor TLS 1.1"},
		controlplane.Case{Name: "TLS 1.3 alone", Change: func(n *controlplane.Node) {
			n.Client().Served.Versions = []uint16{0x0304}
		}, Target: ":2379", Status: check.Pass, Says: "TLS 1.3, neither TLS 1.0 nor TLS 1.1"},
		controlplane.Case{Name: "a proxy with TLS 1.0", Change: func(n *controlplane.Node) {
			n.Client().Served.Versions = []uint16{0x0304, 0x0303, 0x0302, 0x0301}
		}, Target: ":2379", Status: check.Fail, Says: "TLS 1.0, TLS 1.1", Fix: "--tls-min-version=TLS1.2"},
		controlplane.Case{Name: "an old version is seen without enumeration", Change: func(n *controlplane.Node) {
			n.Client().Served.Enumerated = false
			n.Client().Served.Versions = []uint16{0x0302}
		}, Target: ":2379", Status: check.Fail, Says: "TLS 1.1"},
		controlplane.Case{Name: "not enumerated", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			n.Client().Served.Enumerated = false
		}, Target: ":2379", Status: check.NotEvaluated, Says: "nothing bad came up", Expected: true},
		controlplane.Case{Name: "the enumeration came to no end", Change: func(n *controlplane.Node) {
			n.Client().Served.Enumerated = false
			controlplane.Says(n.Client(), controlplane.TLS, facts.Offer, "none", facts.Silent, "no answer in time")
		}, Target: ":2379", Status: check.NotEvaluated, Says: "begun"},
		controlplane.Case{Name: "TLS 1.0 could not be offered", Change: func(n *controlplane.Node) {
			n.Client().Served.NotOffered = []facts.Missing{{What: "TLS 1.0", Why: "this build cannot offer it"}}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "this build"},
		controlplane.WithoutTLS,
		controlplane.Silent,
		controlplane.Foreign,
		controlplane.NoConnection,
	)
}
