package tls

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func tlsOnly() rule {
	return rule{
		ID: "EA-301", Title: "Client addresses answer in TLS only", Severity: check.Critical,
		Why:   "without TLS the network sees every Secret, and any caller reads and writes everything; etcd ignores its TLS settings for an http:// address, even one that it also serves as https://",
		Reads: "the answers of each client address to HTTP/1, HTTP/2 and gRPC without TLS; of a unix socket, who may use its file",
		Run:   one(judgeTLSOnly),
	}
}

func judgeTLSOnly(a at) check.Result {
	if a.plainSocket() {
		return a.judgeSocket()
	}
	// Without the request that the clients of the address send nothing is shown: gRPC, or that
	// of HTTP where no gRPC is spoken.
	p := a.plaintext(func(r facts.Request) bool { return r == facts.Range || a.overHTTP() && ofHTTP(r) })
	switch {
	case p.open != nil:
		also := ""
		if a.l.Served != nil {
			also = ", on a port that speaks TLS as well"
		}
		return with(check.Failed("", fmt.Sprintf("%s was answered without TLS%s", p.open.Request, also), a.onlyTLS()), p.seen...)
	case p.reason != "":
		r := check.Unevaluated("", p.reason, "")
		r.Expected = a.wire.Passive
		return with(r, p.seen...)
	case a.l.Served == nil:
		return with(check.Unevaluated("", "nothing here has answered, with TLS or without", "check that this is etcd's address"), p.seen...)
	}
	return with(check.Passed("", fmt.Sprintf("TLS is spoken, and none of %d requests without TLS was answered", p.tried)), p.seen...)
}
