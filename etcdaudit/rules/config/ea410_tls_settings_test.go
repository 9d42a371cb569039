package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestTLSSettings(t *testing.T) {
	controlplane.Run(t, "EA-410",
		controlplane.Case{Name: "the defaults of a recent Go", Status: check.Pass, Says: "suites of go1.26.8"},
		controlplane.Case{Name: "TLS 1.3 only", Change: func(n *controlplane.Node) {
			n.Etcd().Config.TLSMinVersion = "TLS1.3"
		}, Status: check.Pass, Says: "TLS 1.3 only"},
		controlplane.Case{Name: "a list of strong suites", Change: func(n *controlplane.Node) {
			n.Etcd().Config.CipherSuites = []string{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}
		}, Status: check.Pass, Says: "1 chosen suites"},
		controlplane.Case{Name: "a weak one in it", Change: func(n *controlplane.Node) {
			n.Etcd().Config.CipherSuites = []string{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_CBC_SHA"}
		}, Status: check.Warn, Says: "TLS_RSA_WITH_AES_128_CBC_SHA has no forward secrecy", Fix: "--cipher-suites=TLS_ECDHE"},
		controlplane.Case{Name: "in a configuration file suites are a list", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.CipherSuites = []string{"TLS_RSA_WITH_AES_128_CBC_SHA"}
		}, Status: check.Warn, Fix: "cipher-suites: [TLS_ECDHE"},
		controlplane.Case{Name: "no TLS 1.3", Change: func(n *controlplane.Node) {
			n.Etcd().Config.TLSMaxVersion = "TLS1.2"
		}, Status: check.Warn, Says: "TLS 1.3 is turned off"},
		controlplane.Case{Name: "the defaults of an old Go", Change: func(n *controlplane.Node) {
			n.Etcd().Process.Go = "go1.21.13"
		}, Status: check.Warn, Says: "3DES"},
		controlplane.Case{Name: "Go is not known", Change: func(n *controlplane.Node) {
			n.Etcd().Process.Go = ""
		}, Status: check.NotEvaluated, Says: "which is not known", Expected: true},
		controlplane.Case{Name: "a development build of Go", Change: func(n *controlplane.Node) {
			n.Etcd().Process.Go = "devel"
		}, Status: check.NotEvaluated, Says: "devel"},
		controlplane.Case{Name: "no https", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient, n.Etcd().Config.ListenPeer = []string{"http://0.0.0.0:2379"}, nil
		}, Status: check.NotApplicable, Says: "no https"},
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
