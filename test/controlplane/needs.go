package controlplane

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

// What lacks, or does not exist, for many rules alike.
var (
	NoNode = Case{Name: "no node was read", Change: func(n *Node) {
		n.Facts.Host = nil
	}, Status: check.NotEvaluated, Says: "no node was read", Fix: "etcdaudit host"}
	NoConnection = Case{Name: "no connection was made", Change: func(n *Node) {
		n.Facts.Wire = nil
	}, Status: check.NotEvaluated, Says: "no connection"}
	FileUnread = Case{Name: "the configuration file could not be read", Change: func(n *Node) {
		n.Etcd().Config.NotEvaluated = "etcd.conf.yaml: permission denied"
	}, Status: check.NotEvaluated, Says: "permission denied"}
	NoAPIServer = Case{Name: "no API server is on the node", Change: func(n *Node) {
		n.Facts.Host.APIServers, n.Facts.Host.Setup.Visit = nil, []string{"kube-apiserver: 192.0.2.1"}
	}, Status: check.NotEvaluated, Says: "no API server is on this node", Fix: "192.0.2.1"}
	WithoutTLS = Case{Name: "an address without TLS", Change: func(n *Node) {
		n.Client().Served = nil
		n.Client().Exchanges = nil
		Says(n.Client(), Plain, facts.Range, "", facts.Answered, "")
	}, Target: ":2379", Status: check.NotApplicable, Says: "no TLS"}
	APIServerRefuses = Case{Name: "the API server would not start", Change: func(n *Node) {
		n.APIServer().Config.Refused = "unknown shorthand flag"
	}, Status: check.NotEvaluated, Says: "EA-431"}
	EtcdRefuses = Case{Name: "etcd would not start", Change: func(n *Node) {
		n.Etcd().Config.Refused = "TLS key/cert must be provided"
	}, Status: check.NotEvaluated, Says: "EA-408"}
	Silent = Case{Name: "nothing is known of a silent address", Change: func(n *Node) {
		n.Client().Unreachable = "silent for 10 s"
	}, Target: ":2379", Status: check.NotEvaluated, Says: "silent"}
	Foreign = Case{Name: "a web server in place of etcd", Change: func(n *Node) {
		l := n.Client()
		l.Behind, l.Foreign = "an HTTP server that is not etcd", true
		for _, page := range []facts.Request{facts.GetVersion, facts.GatewayRange, facts.GetMetrics, facts.GetVars} {
			Says(l, Plain, page, "", facts.Answered, "HTTP 200")
			Says(l, TLS, page, "none", facts.Answered, "HTTP 200")
			Says(l, TLS, page, "self-signed", facts.Answered, "HTTP 200")
		}
	}, Target: ":2379", Status: check.NotEvaluated, Says: "an HTTP server that is not etcd answers here", Fix: "check that this is a client address of etcd"}
	Managed = Case{Name: "a managed control plane", Change: func(n *Node) {
		n.Facts.Host.Setup = facts.Setup{Kind: facts.Managed, Fact: "a node of EKS", Ask: "ask AWS"}
	}, Status: check.NotEvaluated, Says: "a node of EKS", Fix: "ask AWS"}
	Copied = Case{Name: "a copy of the node's files", Change: func(n *Node) {
		n.Facts.Host.Copied = "/tmp/node is no mounted file system"
	}, Status: check.NotEvaluated, Says: "no mounted file system", Fix: "mount"}
	Kine = Case{Name: "kine in place of etcd", Change: func(n *Node) {
		n.Facts.Host.Etcds = nil
		n.APIServer().Config.Etcds[0].Servers = []string{"unix:///var/lib/rancher/k3s/server/kine.sock"}
	}, Status: check.NotApplicable, Says: "uses kine"}
)
