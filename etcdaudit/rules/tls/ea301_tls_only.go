package tls

import (
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func tlsOnly() rule {
	return rule{
		ID: "EA-301", Title: "Client addresses answer in TLS only", Severity: check.Critical,
		Why:   "without TLS the network sees every Secret, and any caller reads and writes everything; etcd ignores its TLS settings for an http:// address, even one that it also serves as https://",
		Reads: "the answers of each client address to HTTP/1, HTTP/2 and gRPC without TLS",
		Needs: needs{reachable}, Run: one(judgeTLSOnly),
	}
}

func judgeTLSOnly(a at) check.Result {
	if a.plainSocket() {
		return check.Passed("", socketWithoutTLS)
	}
	var tried []facts.Exchange
	var evidence []check.Evidence
	for _, e := range a.l.Exchanges {
		if !e.TLS {
			tried, evidence = append(tried, e), append(evidence, seen(a.l, e))
		}
	}
	if i := slices.IndexFunc(tried, answersPlain); i >= 0 {
		also := ""
		if a.l.Served != nil {
			also = ", on a port that speaks TLS as well"
		}
		summary := fmt.Sprintf("%s was answered without TLS%s", tried[i].Request, also)
		return with(check.Failed("", summary, "remove every http:// address: "+fix.Etcd(a.host, a.etcd, "listen-client-urls=https://…")+"; then change the API servers' --etcd-servers to https://"), evidence...)
	}
	// gRPC is what clients of etcd speak: without that request nothing is shown.
	plain := slices.IndexFunc(tried, func(e facts.Exchange) bool {
		return e.Request == facts.Range && e.Outcome != facts.Failed
	})
	switch {
	case plain < 0:
		r := check.Unevaluated("", a.why("a request without TLS"), "")
		r.Expected = a.wire.Passive
		return with(r, evidence...)
	case a.l.Served == nil:
		return with(check.Unevaluated("", "nothing here has answered, with TLS or without", "check that this is etcd's address"), evidence...)
	}
	return with(check.Passed("", fmt.Sprintf("TLS is spoken, and none of %d requests without TLS was answered", len(tried))), evidence...)
}
