package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestPeersDemand(t *testing.T) {
	controlplane.Run(t, "EA-307",
		controlplane.Case{Name: "refused without, answered with", Status: check.Pass, Says: "(3)"},
		controlplane.Case{Name: "peers in plaintext", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.Plain, facts.GetVersion, "", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "without TLS", Fix: "--peer-client-cert-auth=true"},
		controlplane.Case{Name: "peers in plaintext were silent", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.Plain, facts.GetVersion, "", facts.Silent, "no answer in time")
		}, Status: check.NotEvaluated, Says: "GET /version without TLS: silent"},
		controlplane.Case{Name: "peer-auto-tls asks for none", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer = etcdconfig.TLS{AutoTLS: true}
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "none", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "without a certificate", Fix: "--peer-auto-tls=false --peer-cert-file=CERT --peer-key-file=KEY --peer-trusted-ca-file=CA --peer-client-cert-auth=true"},
		controlplane.Case{Name: "a page that is not there shows that the client was let in", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetMembers, "none", facts.Answered, "HTTP 404")
		}, Status: check.Fail, Says: "GET /members"},
		controlplane.Case{Name: "a front that answers 403 to everyone", Change: func(n *controlplane.Node) {
			for _, id := range n.Facts.Wire.Identities {
				controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, id.Label, facts.Answered, "HTTP 403")
			}
		}, Status: check.NotEvaluated, Says: "may refuse everyone"},
		controlplane.Case{Name: "made-up certificates", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Peer(), controlplane.TLS, facts.GetVersion, "forged issuer", facts.Answered, "HTTP 200")
		}, Status: check.Fail, Says: "forged issuer"},
		controlplane.Case{Name: "no member's certificate at hand", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Peer(), controlplane.As("own"))
		}, Status: check.NotEvaluated, Says: "may refuse everyone", Fix: "--probe-cert peer="},
		controlplane.Case{Name: "nothing was sent without TLS", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			controlplane.Unasked(n.Peer(), func(e facts.Exchange) bool { return !e.TLS })
		}, Status: check.NotEvaluated, Says: "--passive", Expected: true},
		controlplane.Case{Name: "no identity was tried", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Identities = nil
		}, Status: check.NotEvaluated, Says: "was not tried"},
		controlplane.Case{Name: "peers that were not found", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Listeners = n.Facts.Wire.Listeners[:1]
			n.Facts.Wire.Missing = []facts.Missing{{What: "client addresses", Why: "not this"}, {What: "peer addresses", Why: "no certificate to ask for the member list", Do: "give --cert"}}
		}, Status: check.NotEvaluated, Says: "no certificate to ask", Fix: "give --cert"},
		controlplane.Case{Name: "peers that the member list does not have, and no node to look at", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Listeners = n.Facts.Wire.Listeners[:1]
			n.Facts.Host.Setup = facts.Setup{Kind: facts.Worker, Fact: "no manifest"}
		}, Status: check.NotEvaluated, Says: "no peer address of etcd is known", Fix: "--peer-endpoints"},
		controlplane.Case{Name: "nothing was found on a node without a control plane", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Listeners = nil
			n.Facts.Host.Setup = facts.Setup{Kind: facts.Worker, Fact: "no manifest"}
		}, Status: check.NotEvaluated, Says: "no control plane on this node"},
		controlplane.Case{Name: "kine has no peers", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Listeners = n.Facts.Wire.Listeners[:1]
			n.Client().Behind = "kine"
		}, Status: check.NotApplicable, Says: "kine"},
		controlplane.Case{Name: "something that does not speak TLS", Change: func(n *controlplane.Node) {
			n.Peer().Served = nil
		}, Status: check.NotEvaluated, Says: "TLS"},
		controlplane.Case{Name: "nothing is known of a silent address", Change: func(n *controlplane.Node) {
			n.Peer().Unreachable = "silent for 10 s"
		}, Target: ":2380", Status: check.NotEvaluated, Says: "silent"},
		controlplane.NoConnection,
	)
}
