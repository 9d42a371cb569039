// Package controlplane makes what the auditor learns of a usual control-plane node of
// kubeadm, for tests that change a part of it. No process runs.
package controlplane

import (
	"crypto/x509"
	"io/fs"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/stored"
)

// Address is the node's.
const Address = "192.0.2.10"

// Paths of the node.
const (
	PKI      = "/etc/kubernetes/pki/"
	Manifest = "/etc/kubernetes/manifests/"
	DataDir  = "/var/lib/etcd"
	Policy   = "/etc/kubernetes/enc.yaml"
	Socket   = "/run/kmsplugin/socket"
)

// Now is when the node is looked at, and Started when its processes were started.
var (
	Now     = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	Started = time.Date(2026, 11, 26, 18, 30, 0, 0, time.UTC)
	written = time.Date(2026, 11, 26, 15, 15, 15, 0, time.UTC)
)

// Node is what is known of the node. Tests change Facts through the methods.
type Node struct {
	T     testing.TB
	Facts facts.Facts
	// EtcdCA and KubernetesCA are the node's CAs. kubeadm has one for clients and peers of etcd.
	EtcdCA, KubernetesCA *Authority
}

// New makes the node with nothing wrong but what kubeadm itself leaves so.
func New(t testing.TB) *Node {
	n := &Node{T: t, EtcdCA: NewAuthority(t, "etcd-ca"), KubernetesCA: NewAuthority(t, "kubernetes")}
	server, peer, client := n.EtcdCA.Member("node"), n.EtcdCA.Member("node"), n.EtcdCA.Client("kube-apiserver-etcd-client")
	n.Facts.Wire = &facts.Wire{
		Now: Now,
		Identities: []facts.Identity{
			{Label: "none", Kind: facts.NoCertificate},
			{Label: "self-signed", Kind: facts.SelfSigned},
			{Label: "forged issuer", Kind: facts.ForgedIssuer},
			{Label: "own", Kind: facts.Own, Chain: []*x509.Certificate{client}, File: PKI + "apiserver-etcd-client.crt"},
		},
		Listeners: []facts.Listener{clientPort(server), peerPort(peer), metricsPort()},
	}
	certificates := map[string]*x509.Certificate{
		"etcd/ca.crt": n.EtcdCA.Cert, "etcd/server.crt": server, "etcd/peer.crt": peer, "etcd/healthcheck-client.crt": n.EtcdCA.Client("kube-etcd-healthcheck-client"),
		"apiserver-etcd-client.crt": client, "ca.crt": n.KubernetesCA.Cert, "apiserver.crt": n.KubernetesCA.Member("kube-apiserver"),
		"apiserver-kubelet-client.crt": n.KubernetesCA.Client("kube-apiserver-kubelet-client", "system:masters"),
	}
	files := map[string]facts.File{}
	host := &facts.Host{
		Node: "node", Root: "/", Live: true, Now: Now,
		Setup: facts.Setup{Kind: facts.Kubeadm, Fact: Manifest + "etcd.yaml is there"},
	}
	for path, c := range certificates {
		files[PKI+path] = File(0o644, c)
		host.Certificates = append(host.Certificates, facts.Certificate{File: PKI + path, Certificate: c, HasKey: !c.IsCA})
	}
	host.Certificates = append(host.Certificates, facts.Certificate{File: "/etc/kubernetes/kubelet.conf", Certificate: n.KubernetesCA.Client("system:node:node", "system:nodes"), HasKey: true, Inline: true})
	files[DataDir] = facts.File{Path: hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o700, Owner: "root"}}
	files[Policy] = File(0o600)
	host.Etcds = []facts.Etcd{{
		Name: "etcd (pid 1201)", Source: Manifest + "etcd.yaml", Files: files, Config: etcd(),
		Process: &facts.Process{PID: 1201, Executable: "/usr/local/bin/etcd", Version: "3.7.3", Go: "go1.26.8", Started: Started},
		Bound:   []facts.Bound{{Address: "127.0.0.1:2379"}, {Address: Address + ":2379"}, {Address: Address + ":2380"}, {Address: "127.0.0.1:2381"}},
	}}
	host.APIServers = []facts.APIServer{{
		Name: "kube-apiserver (pid 1202)", Source: Manifest + "kube-apiserver.yaml", Files: files, Config: apiServer(),
		Process:    &facts.Process{PID: 1202, Executable: "/usr/local/bin/kube-apiserver", Version: "1.37.1", Go: "go1.26.8", Started: Started},
		Encryption: &facts.EncryptionFile{Path: Policy, File: files[Policy], Hash: "sha256:aa", InForce: "sha256:aa", Config: stored.Config(t, stored.Entry("secrets", stored.KMS("v2", "vault"), stored.Identity))},
		Audit: &facts.AuditPolicy{Path: "/etc/kubernetes/audit.yaml", Levels: []facts.AuditLevel{
			{Verbs: "get, list, watch", Level: "Metadata", Rule: 2}, {Verbs: "create, update, patch", Level: "Metadata", Rule: 2}, {Verbs: "delete", Level: "Metadata", Rule: 2},
		}},
		Sockets: map[string]facts.Socket{"unix://" + Socket: {
			Endpoint: "unix://" + Socket, Dir: "/run/kmsplugin", Path: hostfacts.Path{Exists: true, Mode: fs.ModeSocket | 0o660, UID: 990, GID: 0, Owner: "kmsplugin"},
			Way: []hostfacts.Path{directory(0o755, 0), directory(0o755, 0), directory(0o750, 990)},
		}},
	}}
	n.Facts.Host = host
	n.keep()
	return n
}

// File is a file of root with these certificates, written before the processes started.
func File(mode fs.FileMode, certificates ...*x509.Certificate) facts.File {
	return facts.File{Path: hostfacts.Path{Exists: true, Mode: mode, Owner: "root"}, ModTime: written, Changed: written, Certificates: certificates}
}

func directory(mode fs.FileMode, uid int) hostfacts.Path {
	return hostfacts.Path{Exists: true, Mode: fs.ModeDir | mode, UID: uid}
}

func etcd() etcdconfig.Effective {
	flag := func(name string) etcdconfig.Origin {
		return etcdconfig.Origin{Kind: etcdconfig.Flag, Text: "--" + name}
	}
	tls := func(cert string) etcdconfig.TLS {
		return etcdconfig.TLS{Cert: PKI + "etcd/" + cert + ".crt", Key: PKI + "etcd/" + cert + ".key", TrustedCA: PKI + "etcd/ca.crt", ClientCertAuth: true}
	}
	return etcdconfig.Effective{
		Release:      etcdconfig.Release{Major: 3, Minor: 7},
		ListenClient: []string{"https://127.0.0.1:2379", "https://" + Address + ":2379"}, AdvertiseClient: []string{"https://" + Address + ":2379"},
		ListenPeer: []string{"https://" + Address + ":2380"}, AdvertisePeer: []string{"https://" + Address + ":2380"},
		ListenMetrics: []string{"http://127.0.0.1:2381"},
		Client:        tls("server"), Peer: tls("peer"), DataDir: DataDir, LogLevel: "info",
		Settings: []etcdconfig.Setting{
			{Name: "listen-client-urls", Value: "https://127.0.0.1:2379,https://" + Address + ":2379", Origin: flag("listen-client-urls")},
			{Name: "listen-peer-urls", Value: "https://" + Address + ":2380", Origin: flag("listen-peer-urls")},
			{Name: "listen-metrics-urls", Value: "http://127.0.0.1:2381", Origin: flag("listen-metrics-urls")},
			{Name: "client-cert-auth", Value: "true", Origin: flag("client-cert-auth")},
			{Name: "trusted-ca-file", Value: PKI + "etcd/ca.crt", Origin: flag("trusted-ca-file")},
		},
	}
}

func apiServer() apiserverconfig.Config {
	return apiserverconfig.Config{
		Given:  map[string][]string{"authorization-mode": {"Node", "RBAC"}},
		Etcds:  []apiserverconfig.Etcd{{Servers: []string{"https://127.0.0.1:2379"}}},
		EtcdCA: PKI + "etcd/ca.crt", EtcdCert: PKI + "apiserver-etcd-client.crt", EtcdKey: PKI + "apiserver-etcd-client.key", EtcdPrefix: "/registry",
		EncryptionConfig: Policy, AnonymousAuth: true, AuthorizationModes: []string{"Node", "RBAC"}, AuditPolicy: "/etc/kubernetes/audit.yaml", AuditLog: "/var/log/audit.log",
		TLSCert: PKI + "apiserver.crt", TLSKey: PKI + "apiserver.key", ClientCA: PKI + "ca.crt", KubeletClientCert: PKI + "apiserver-kubelet-client.crt", SecurePort: 6443,
	}
}
