package tls

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func peersRefuseClients() rule {
	return rule{
		ID: "EA-308", Title: "Peer addresses refuse the certificates of clients", Severity: check.Low,
		Why:   "a client's certificate that the peer port accepts can send raft messages, which no RBAC of etcd holds back; kubeadm uses one CA for clients and members, so it is usual there",
		Reads: "the answer of each peer address to a certificate that is made for clients only",
		Needs: needs{speaksTLS, demandsAny}, Run: judgePeerClients,
	}
}

func judgePeerClients(a at) (results []check.Result) {
	for _, id := range a.wire.Identities {
		// A member's certificate is for a server too.
		if id.Kind != facts.Own && id.Kind != facts.Given || len(id.Chain) == 0 || slices.Contains(id.Chain[0].ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
			continue
		}
		t := a.try(id.Label)
		var r check.Result
		switch t.admission {
		case letIn:
			r = check.Warned(id.Label, fmt.Sprintf("the certificate of %s is accepted%s", id.Label, describe(id)), "issue the members' certificates from a CA of their own, and let peers trust only that: "+fix.Etcd(a.host, a.etcd, "peer-trusted-ca-file=PEER-CA"))
		case refused:
			r = check.Passed(id.Label, fmt.Sprintf("the certificate of %s is refused%s: %s", id.Label, describe(id), a.because(t)))
		default:
			r = check.Unevaluated(id.Label, t.reason, t.do)
			r.Expected = true // a peer's key is seldom at hand
		}
		r.Identity = []string{id.Label}
		results = append(results, with(r, t.seen...))
	}
	if results == nil {
		r := check.Unevaluated("", "no certificate was given that is made for clients only", "give one: --cert and --key, or --probe-cert apiserver=CERT,KEY")
		r.Expected = true
		return []check.Result{r}
	}
	return results
}
