package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestCertificateDemanded(t *testing.T) {
	controlplane.Run(t, "EA-302",
		controlplane.Case{Name: "refused without, answered with", Status: check.Pass, Says: "was refused, and answered with one"},
		controlplane.Case{Name: "a Get without a certificate", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Status: check.Fail, Says: "Range without a certificate was answered", Fix: "--client-cert-auth=true"},
		controlplane.Case{Name: "an HTTP request without a certificate", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "GET /version"},
		controlplane.Case{Name: "plaintext beside mTLS", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.Range, "", facts.Answered, "")
		}, Status: check.Fail, Says: "without TLS, and so without a certificate"},
		controlplane.Case{Name: "passwords of etcd's RBAC", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Denied, "etcdserver: user name is empty")
		}, Status: check.Warn, Says: "only its request for keys was denied"},
		controlplane.Case{Name: "a completed handshake is no answer", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Handshake, "none", facts.Answered, "")
		}, Status: check.Pass},
		controlplane.Case{Name: "nor is a SETTINGS frame", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Settings, "none", facts.Answered, "")
		}, Status: check.Pass},
		controlplane.Case{Name: "a refusal without a control shows nothing", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("own"))
		}, Status: check.NotEvaluated, Says: "may refuse everyone", Fix: "--cert and --key"},
		controlplane.Case{Name: "a control of another request shows nothing", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return e.Identity == "own" && e.Request == facts.Range })
			controlplane.Unasked(n.Client(), func(e facts.Exchange) bool { return e.Identity == "none" && e.Request != facts.Range })
		}, Status: check.NotEvaluated, Says: "may refuse everyone"},
		controlplane.Case{Name: "nginx completes the handshake and then refuses", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "HTTP 400 No required SSL certificate was sent")
		}, Status: check.Pass},
		controlplane.Case{Name: "the connection broke", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("none"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Silent, "nothing for 5 s")
		}, Status: check.NotEvaluated, Says: "nothing for 5 s"},
		controlplane.Case{Name: "an address for HTTP alone", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
		}, Status: check.Pass, Says: "POST /v3/kv/range without a certificate was refused, and answered with one"},
		controlplane.Case{Name: "the gateway reads keys for everyone", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
			controlplane.Says(n.Client(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
			controlplane.Says(n.Client(), controlplane.TLS, facts.GatewayRange, "none", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "POST /v3/kv/range without a certificate was answered"},
		controlplane.Case{Name: "the gateway denies keys to a caller without a user", Change: func(n *controlplane.Node) {
			controlplane.OverHTTP(n.Client())
			controlplane.Says(n.Client(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
			controlplane.Says(n.Client(), controlplane.TLS, facts.GatewayRange, "none", facts.Answered, "HTTP 400")
		}, Status: check.Warn, Says: "denied (HTTP 400)"},
		controlplane.Case{Name: "the gateway without TLS", Change: withoutTLS, Status: check.Fail, Says: "POST /v3/kv/range was answered without TLS"},
		controlplane.Case{Name: "a front that answers 403 to everyone", Change: func(n *controlplane.Node) {
			for _, id := range n.Facts.Wire.Identities {
				controlplane.Says(n.Client(), controlplane.TLS, facts.Range, id.Label, facts.Answered, "HTTP 403")
			}
		}, Status: check.NotEvaluated, Says: "may refuse everyone"},
		controlplane.Case{Name: "a proxy that sends plaintext to https", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 301")
		}, Status: check.Pass},
		controlplane.Case{Name: "auto-tls replaces all other settings", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client = etcdconfig.TLS{AutoTLS: true}
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "OK")
		}, Status: check.Fail, Fix: "--auto-tls=false --cert-file=CERT --key-file=KEY --trusted-ca-file=CA --client-cert-auth=true"},
		controlplane.Case{Name: "a plain socket", Change: func(n *controlplane.Node) {
			n.Client().URL = "unix:///run/etcd.sock"
			n.Client().Served = nil
		}, Status: check.NotApplicable, Says: "unix socket"},
		controlplane.Silent,
		controlplane.Foreign,
		controlplane.NoConnection,
	)
}
