package tls_test

import (
	"crypto/x509"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestCAOfItsOwn(t *testing.T) {
	controlplane.Run(t, "EA-306",
		controlplane.Case{Name: "kubeadm's CA of etcd", Target: ":2379", Status: check.Pass, Says: "CN=etcd-ca"},
		controlplane.Case{Name: "the CA of the cluster, at another path and under another name", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[controlplane.PKI+"etcd/ca.crt"]
			file.Certificates = []*x509.Certificate{n.KubernetesCA.Renewed("etcd-ca").Cert}
			n.Etcd().Files[controlplane.PKI+"etcd/ca.crt"] = file
		}, Target: ":2379", Status: check.Fail, Says: "also the CA of the API server's users", Fix: "a CA for etcd alone"},
		controlplane.Case{Name: "two CAs in the file, one of them of the cluster", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[controlplane.PKI+"etcd/ca.crt"]
			file.Certificates = append(file.Certificates, n.KubernetesCA.Cert)
			n.Etcd().Files[controlplane.PKI+"etcd/ca.crt"] = file
		}, Target: ":2379", Status: check.Fail, Says: "CN=kubernetes"},
		controlplane.Case{Name: "the same name with another key is another CA", Change: func(n *controlplane.Node) {
			file := n.Etcd().Files[controlplane.PKI+"ca.crt"]
			file.Certificates = []*x509.Certificate{controlplane.NewAuthority(n.T, "etcd-ca").Cert}
			n.Etcd().Files[controlplane.PKI+"ca.crt"] = file
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "a kubelet's certificate of etcd's CA", Change: func(n *controlplane.Node) {
			n.Facts.Host.Certificates = append(n.Facts.Host.Certificates, facts.Certificate{File: "/var/lib/kubelet/pki/kubelet-client-current.pem", Certificate: n.EtcdCA.Client("system:node:node", "system:nodes")})
		}, Target: ":2379", Status: check.Fail, Says: "not for etcd: 1 certificate"},
		controlplane.Case{Name: "the certificate of kubeadm for the API server in system:masters", Change: func(n *controlplane.Node) {
			n.Facts.Host.Certificates = append(n.Facts.Host.Certificates, facts.Certificate{File: controlplane.PKI + "apiserver-etcd-client.crt", Certificate: n.EtcdCA.Client("kube-apiserver-etcd-client", "system:masters")})
		}, Target: ":2379", Status: check.Pass},
		controlplane.Case{Name: "no API server on the node", Change: func(n *controlplane.Node) {
			n.Facts.Host.APIServers = nil
		}, Target: ":2379", Status: check.NotEvaluated, Says: "not on this node", Expected: true},
		controlplane.Case{Name: "names of CAs only", Change: func(n *controlplane.Node) {
			n.Facts.Host = nil
			n.Client().Served.AcceptableCAs = [][]byte{n.EtcdCA.Cert.RawSubject}
		}, Target: ":2379", Status: check.NotEvaluated, Says: "only the names of the CAs that etcd trusts are known: CN=etcd-ca", Expected: true},
		controlplane.Case{Name: "the name of the CA of the cluster", Change: func(n *controlplane.Node) {
			n.Client().URL = "https://192.0.2.99:2379"
			n.Client().Served.AcceptableCAs = [][]byte{n.KubernetesCA.Cert.RawSubject}
		}, Target: ":2379", Status: check.Warn, Says: "CN=kubernetes"},
		controlplane.Case{Name: "no certificate is needed", Change: func(n *controlplane.Node) {
			controlplane.Says(n.Client(), controlplane.TLS, facts.Range, "none", facts.Answered, "")
		}, Target: ":2379", Status: check.NotApplicable, Says: "EA-302"},
		controlplane.NoConnection,
	)
}
