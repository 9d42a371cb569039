package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestAPIServerTLS(t *testing.T) {
	controlplane.Run(t, "EA-426",
		controlplane.Case{Name: "Go's own choice", Status: check.Pass, Says: "TLS 1.2 and later, with the suites of go1.26.8"},
		controlplane.Case{Name: "the defaults of an old Go", Change: func(n *controlplane.Node) {
			n.APIServer().Process.Go = "go1.21.13"
		}, Status: check.Warn, Says: "go1.21.13 have some with 3DES", Fix: "--tls-cipher-suites=TLS_ECDHE"},
		controlplane.Case{Name: "Go is not known", Change: func(n *controlplane.Node) {
			n.APIServer().Process = nil
		}, Status: check.NotEvaluated, Says: "that the API server was built with, which is not known", Expected: true},
		controlplane.Case{Name: "a list of strong suites", Change: func(n *controlplane.Node) {
			n.APIServer().Config.CipherSuites = []string{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}
			n.APIServer().Process = nil
		}, Status: check.Pass, Says: "a list of strong suites"},
		controlplane.Case{Name: "TLS 1.3", Change: func(n *controlplane.Node) {
			n.APIServer().Config.TLSMinVersion = "VersionTLS13"
		}, Status: check.Pass, Says: "TLS 1.3 only"},
		controlplane.Case{Name: "TLS 1.0", Change: func(n *controlplane.Node) {
			n.APIServer().Config.TLSMinVersion = "VersionTLS10"
		}, Status: check.Fail, Says: "VersionTLS10", Fix: "--tls-min-version=VersionTLS12"},
		controlplane.Case{Name: "weak suites", Change: func(n *controlplane.Node) {
			n.APIServer().Config.CipherSuites = []string{"TLS_RSA_WITH_3DES_EDE_CBC_SHA"}
		}, Status: check.Warn, Says: "blocks of 64 bits", Fix: "remove --tls-cipher-suites"},
		controlplane.Case{Name: "no certificate", Change: func(n *controlplane.Node) {
			n.APIServer().Config.TLSCert = ""
		}, Status: check.Warn, Says: "self-signed"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
