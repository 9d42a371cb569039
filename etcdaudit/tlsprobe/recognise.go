package tlsprobe

import (
	"bytes"
	"context"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// What stands in front of etcd, or in its place.
const (
	kine      = "kine"
	grpcProxy = "grpc-proxy"
)

// learn takes from an answer who gave it.
func (p *prober) learn(r reply) {
	switch {
	case r.kine:
		p.listener.Behind = kine
	case r.via != "" && p.listener.Behind == "":
		p.listener.Behind = "a proxy (" + r.via + ")"
	}
	switch r.Request {
	case facts.Range, facts.RangeAll, facts.MemberList:
		p.genuine = p.genuine || r.Passed()
		if r.unimplemented {
			p.foreign = "a gRPC server that is not etcd"
		}
	case facts.GetVersion:
		// Both at addresses for clients and for peers (server/etcdserver/api/etcdhttp).
		version := versionOf(r.body)
		p.page(r, version != "")
		if r.status == 200 && version != "" {
			p.listener.Version = version
		}
	case facts.GetMetrics:
		// Names of metrics are sorted, and etcd's come first.
		etcds := bytes.Contains(r.body, []byte("# TYPE etcd_"))
		p.genuine = p.genuine || etcds
		if p.target.Purpose == facts.MetricsPort {
			p.page(r, etcds)
		}
	case facts.GatewayRange:
		p.genuine = p.genuine || bytes.Contains(r.body, []byte(`"cluster_id":`)) || bytes.Contains(r.body, []byte("etcdserver: "))
	case facts.GetProxy:
		// A path of grpc-proxies only (etcdmain/grpc_proxy.go), with metrics of its own. Other
		// servers may answer 200 to everything.
		if r.status == 200 && bytes.Contains(r.body, []byte("etcd_grpc_proxy_")) {
			p.listener.Behind = grpcProxy
		}
	}
}

// page judges the answer to a page that every etcd has: one of success with another content
// (etcds is false), or that there is no such page, is not etcd's. A refusal, a redirection or
// an error may be a proxy's in front of etcd.
func (p *prober) page(r reply, etcds bool) {
	switch {
	case etcds:
		p.genuine = true
	case r.status == 404, r.status == 200 && r.body != nil:
		p.foreign = "an HTTP server that is not etcd"
		if r.via != "" {
			p.foreign += " (" + r.via + ")"
		}
	}
}

// standIn finds out what answers in place of etcd. Every answer of etcd to a Range carries
// the cluster's id, which is a hash and never 0. kine leaves it out, and its one member has
// its name (github.com/k3s-io/kine, pkg/server/limited.go and cluster.go).
func (p *prober) standIn(ctx context.Context, r reply, list ask) {
	if p.listener.Behind != "" || r.Outcome != facts.Answered || r.Said != "OK" || clusterID(r.body) != 0 {
		return
	}
	p.listener.Behind = "a server that is not etcd"
	for _, m := range parseMembers(p.do(ctx, list).body) {
		if m.name == kine {
			p.listener.Behind = kine
		}
	}
}

// clusterID finds ResponseHeader.cluster_id in the message of a RangeResponse
// (api/etcdserverpb/rpc.proto), 0 if there is none.
func clusterID(body []byte) (id uint64) {
	eachField(grpcMessage(body), func(number protowire.Number, value []byte, _ uint64) {
		if number == 1 {
			eachField(value, func(number protowire.Number, _ []byte, n uint64) {
				if number == 1 {
					id = n
				}
			})
		}
	})
	return id
}
