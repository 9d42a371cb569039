package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestOtherIssuers(t *testing.T) {
	controlplane.Run(t, "EA-303",
		controlplane.Case{Name: "both made-up certificates are refused", Status: check.Pass, Says: "2 made-up certificates"},
		controlplane.Case{Name: "self-signed is accepted", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "self-signed", facts.Answered, "")
		}, Status: check.Fail, Says: "self-signed", Fix: "--trusted-ca-file"},
		controlplane.Case{Name: "the name of the CA is enough", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "forged issuer", facts.Denied, "etcdserver: permission denied")
		}, Status: check.Fail, Says: "forged issuer"},
		controlplane.Case{Name: "one of them was not tried", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("forged issuer"))
		}, Status: check.NotEvaluated, Says: "forged issuer"},
		controlplane.Case{Name: "a refusal without a control", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("own"))
		}, Status: check.NotEvaluated, Says: "may refuse everyone"},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Status: check.NotApplicable, Says: "EA-302"},
		controlplane.Case{Name: "an address without TLS", Change: func(n *controlplane.Node) {
			n.Client().Served = nil
			n.Client().Exchanges = nil
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Answered, "")
		}, Target: ":2379", Status: check.NotApplicable, Says: "no TLS"},
		controlplane.Case{Name: "nothing is known of a silent address", Change: func(n *controlplane.Node) {
			n.Client().Unreachable = "silent for 10 s"
		}, Target: ":2379", Status: check.NotEvaluated, Says: "silent"},
		controlplane.Case{Name: "no connection was made", Change: func(n *controlplane.Node) {
			n.Facts.Wire = nil
		}, Status: check.NotEvaluated, Says: "no connection"},
	)
}
