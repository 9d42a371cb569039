package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestPostQuantum(t *testing.T) {
	controlplane.Run(t, "EA-312",
		controlplane.Case{Name: "Go's own choice since 1.24", Target: ":2379", Status: check.Pass, Says: "X25519MLKEM768"},
		controlplane.Case{Name: "classical groups only", Change: func(n *controlplane.Node) {
			n.Client().Served.Groups = []uint16{29, 23}
		}, Target: ":2379", Status: check.Warn, Says: "only x25519, secp256r1", Fix: "Go 1.24"},
		controlplane.Case{Name: "TLS 1.2 only", Change: func(n *controlplane.Node) {
			n.Client().Served.Groups = []uint16{29}
			n.Client().Served.Versions = []uint16{0x0303}
		}, Target: ":2379", Status: check.Warn, Says: "TLS 1.3 is not spoken"},
		controlplane.Case{Name: "seen without enumeration", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			n.Client().Served.Enumerated = false
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "not seen, and not enumerated", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			n.Client().Served.Enumerated = false
			n.Client().Served.Groups = []uint16{29}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "nothing bad", Expected: true},
		controlplane.WithoutTLS,
		controlplane.Silent,
		controlplane.NoConnection,
	)
}
