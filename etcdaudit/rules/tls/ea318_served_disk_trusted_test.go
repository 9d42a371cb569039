package tls_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestServedDiskTrusted(t *testing.T) {
	controlplane.Run(t, "EA-318",
		controlplane.Case{Name: "all three agree", Target: ":2379", Status: check.Pass, Says: "by the certificate of own, which was let in"},
		controlplane.Case{Name: "no certificate shows what is trusted", Change: func(n *controlplane.Node) {
			controlplane.Unasked(n.Client(), controlplane.As("own"))
		}, Target: ":2379", Status: check.Pass, Says: "by name and file times only"},
		controlplane.Case{Name: "another certificate is on disk", Change: func(n *controlplane.Node) {
			n.Etcd().Files[n.Etcd().Config.Client.Cert] = controlplane.File(0o644, n.EtcdCA.Member("node"))
		}, Target: ":2379", Status: check.Warn, Says: "and in /etc/kubernetes/pki/etcd/server.crt is one", Fix: "a proxy"},
		controlplane.Case{Name: "another CA is on disk than the one that lets in", Change: func(n *controlplane.Node) {
			n.Etcd().Files[n.Etcd().Config.Client.TrustedCA] = controlplane.File(0o644, controlplane.NewAuthority(n.T, "etcd-ca").Cert)
		}, Target: ":2379", Status: check.Fail, Says: "is of no CA that is on disk now", Fix: "restart etcd"},
		controlplane.Case{Name: "a CA was added on disk", Change: func(n *controlplane.Node) {
			ca := n.Etcd().Config.Client.TrustedCA
			added := controlplane.NewAuthority(n.T, "new-ca")
			n.Etcd().Files[ca] = controlplane.File(0o644, n.EtcdCA.Cert, added.Cert)
			n.Identify("apiserver", added.Client("kube-apiserver-etcd-client"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "apiserver", facts.Refused, "alert: unknown certificate authority")
		}, Target: ":2379", Status: check.Fail, Says: "although its CA is on disk now"},
		controlplane.Case{Name: "a name that is not allowed is no matter of the CA", Change: func(n *controlplane.Node) {
			n.Identify("other", n.EtcdCA.Client("other"))
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "other", facts.Refused, "alert: bad certificate")
		}, Target: ":2379", Status: check.Pass, Says: "by the certificate of own"},
		controlplane.Case{Name: "the file of the CA could not be read", Change: func(n *controlplane.Node) {
			n.Etcd().Files[n.Etcd().Config.Client.TrustedCA] = facts.File{Path: hostfacts.Path{Err: "permission denied"}}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "permission denied", Fix: "as root"},
		controlplane.Case{Name: "auto-tls", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client = etcdconfig.TLS{AutoTLS: true}
		}, Target: ":2379", Status: check.NotApplicable, Says: "no certificate file is configured"},
		controlplane.Case{Name: "TLS in front of an etcd without", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client = etcdconfig.TLS{}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no certificate file is configured", Fix: "what ends TLS"},
		controlplane.Case{Name: "the file of the CA is newer than the process", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[n.Etcd().Config.Client.TrustedCA]
			file.Changed = controlplane.Now
			n.Etcd().Files[n.Etcd().Config.Client.TrustedCA] = file
		}, Target: ":2379", Status: check.Warn, Says: "after etcd started"},
		controlplane.Case{Name: "the certificate may be newer than the process", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[n.Etcd().Config.Client.Cert]
			file.Changed = controlplane.Now
			n.Etcd().Files[n.Etcd().Config.Client.Cert] = file
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "the process was not read", Change: func(n *controlplane.Node) {
			n.Etcd().Process = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "since when"},
		controlplane.Case{Name: "two etcds have the address, each in a network namespace of its own", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds = append(n.Facts.Host.Etcds, n.Facts.Host.Etcds[0])
		}, Target: ":2379", Status: check.NotEvaluated, Says: "exactly one etcd", Expected: true},
		controlplane.Case{Name: "a wildcard is not the address of another node", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient, n.Client().URL = []string{"https://0.0.0.0:2379"}, "https://192.0.2.99:2379"
		}, Target: ":2379", Status: check.NotEvaluated, Says: "exactly one etcd", Expected: true},
		controlplane.Case{Name: "a wildcard is the loopback address of this one", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"https://0.0.0.0:2379"}
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "no node was read", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "no node was read", Expected: true},
		controlplane.Case{Name: "the certificate could not be read", Change: func(n *controlplane.Node) {
			delete(n.Etcd().Files, n.Etcd().Config.Client.Cert)
		}, Target: ":2379", Status: check.NotEvaluated, Says: "could not be read"},
		controlplane.WithoutTLS,
		controlplane.NoConnection,
	)
}
