package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestWeakSuites(t *testing.T) {
	controlplane.Run(t, "EA-310",
		controlplane.Case{Name: "what Go chooses itself", Target: ":2379", Status: check.Pass, Says: "8 suites"},
		controlplane.Case{Name: "3DES and RC4", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites[0x0303] = append(n.Client().Served.Suites[0x0303], 0x000a, 0xc011)
		}, Target: ":2379", Status: check.Fail, Says: "TLS_RSA_WITH_3DES_EDE_CBC_SHA has blocks of 64 bits, TLS_ECDHE_RSA_WITH_RC4_128_SHA is RC4", Fix: "--cipher-suites=TLS_ECDHE"},
		controlplane.Case{Name: "no encryption, no authentication", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites[0x0303] = []uint16{0x003b, 0x0034}
		}, Target: ":2379", Status: check.Fail, Says: "TLS_DH_anon_WITH_AES_128_CBC_SHA does not authenticate the server, TLS_RSA_WITH_NULL_SHA256 does not encrypt"},
		controlplane.Case{Name: "in an old version only", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites[0x0301] = []uint16{0x0008}
		}, Target: ":2379", Status: check.Fail, Says: "EXPORT"},
		controlplane.Case{Name: "not enumerated", Change: func(n *controlplane.Node) {
			n.Facts.Wire.Passive = true
			n.Client().Served.Enumerated = false
		}, Target: ":2379", Status: check.NotEvaluated, Says: "nothing bad", Expected: true},
		controlplane.Case{Name: "suites that no client of Go can offer stand in the evidence", Change: func(n *controlplane.Node) {
			n.Client().Served.NotOffered = []facts.Missing{{What: "suites of GOST", Why: "not implemented"}}
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "the enumeration was cut off", Change: func(n *controlplane.Node) {
			n.Client().Served.Enumerated = false
			n.Client().Served.NotOffered = []facts.Missing{{What: "the versions, suites and groups that are not listed", Why: "the server stopped answering"}}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "stopped answering"},
		controlplane.Case{Name: "no suite at all", Change: func(n *controlplane.Node) {
			n.Client().Served.Suites = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no suite came up"},
		controlplane.WithoutTLS,
		controlplane.Silent,
		controlplane.NoConnection,
	)
}
