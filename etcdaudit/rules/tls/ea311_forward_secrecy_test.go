package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestForwardSecrecy(t *testing.T) {
	controlplane.Run(t, "EA-311",
		controlplane.Case{Name: "ephemeral keys only", Target: ":2379", Status: check.Pass, Says: "8 suites"},
		controlplane.Case{Name: "the server's own RSA key", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites[0x0303] = append(n.Client().Served.Suites[0x0303], 0x009c)
		}, Target: ":2379", Status: check.Fail, Says: "TLS_RSA_WITH_AES_128_GCM_SHA256", Fix: "--cipher-suites"},
		controlplane.Case{Name: "a static key of ECDH", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites[0x0303] = []uint16{0xc004}
		}, Target: ":2379", Status: check.Fail, Says: "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA"},
		controlplane.Case{Name: "a suite without a name is not called safe", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites[0x0303] = []uint16{0xfefe}
		}, Target: ":2379", Status: check.Fail, Says: "0xFEFE"},
		controlplane.Case{Name: "not enumerated", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			n.Client().Served.Enumerated = false
		}, Target: ":2379", Status: check.NotEvaluated, Says: "nothing bad", Expected: true},
		controlplane.WithoutTLS,
		controlplane.Silent,
		controlplane.NoConnection,
	)
}
