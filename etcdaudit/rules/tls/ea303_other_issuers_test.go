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
		controlplane.Case{Name: "an address for HTTP alone", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
		}, Status: check.Pass, Says: "2 made-up certificates"},
		controlplane.Case{Name: "self-signed is accepted by the gateway", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
			controlplane.Says(n.Client(), controlplane.TLS, facts.GatewayRange, "self-signed", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "self-signed"},
		controlplane.Case{Name: "the gateway was not asked", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return e.Request == facts.GatewayRange && e.Identity == "self-signed" })
		}, Status: check.NotEvaluated, Says: `POST /v3/kv/range as "self-signed" was not tried`},
		controlplane.Case{Name: "one of them was not tried", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("forged issuer"))
		}, Status: check.NotEvaluated, Says: "forged issuer"},
		controlplane.Case{Name: "a refusal without a control", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("own"))
		}, Status: check.NotEvaluated, Says: "may refuse everyone"},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Status: check.NotApplicable, Says: "EA-302"},
		controlplane.WithoutTLS,
		controlplane.Silent,
		controlplane.Foreign,
		controlplane.NoConnection,
	)
}
