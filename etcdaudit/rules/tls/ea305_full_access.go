package tls

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func fullAccess() rule {
	return rule{
		ID: "EA-305", Title: "An accepted certificate is not full access", Severity: check.Low,
		Why:   "without etcd's own RBAC each certificate of the trusted CA reads, changes and deletes everything; so it is in nearly all clusters, and the list of its holders is then the list of those with full access",
		Reads: "the answer of each client address to one key outside every prefix, asked for with an accepted certificate; and the client certificates of that CA on this node",
		Needs: needs{speaksTLS, demandsAny}, Run: one(judgeFullAccess),
	}
}

func judgeFullAccess(a at) check.Result {
	const todo = "keep the holders few: a CA of etcd's own (EA-306), keys readable by their users only; or turn on etcd's RBAC (etcdctl auth enable) with a user for each certificate's CN"
	var denied *facts.Exchange
	request := facts.RangeAll
	if a.overHTTP() {
		request = facts.GatewayRange
	}
	what := fmt.Sprintf("%s with an accepted certificate", request)
	open := check.Unevaluated("", a.why(what, nil), a.control())
	open.Expected = a.wire.Passive
	for _, e := range a.l.Exchanges {
		id := a.wire.Identity(e.Identity)
		if !e.TLS || e.Request != request || !id.Intended() {
			continue
		}
		switch {
		case e.Outcome == facts.Denied:
			denied = &e
		case !a.readsAll(e):
			open = with(check.Unevaluated("", sent(e)+": "+outcome(e), a.control()), seen(a.l, e))
		case request == facts.RangeAll && len(id.Chain) > 0 && id.Chain[0].Subject.CommonName == "root":
			// With RBAC the user root has full access by design, so this tells nothing of others.
			open = with(check.Unevaluated("", fmt.Sprintf("%q reads everything, which etcd's RBAC allows to its user root; of other certificates nothing was seen", e.Identity), "give the certificate of another client: --probe-cert apiserver=CERT,KEY"), seen(a.l, e))
		default:
			held := holders(a.host, a.trusted())
			r := check.Warned("", fmt.Sprintf("%q reads everything, so every accepted certificate does; %s", e.Identity, a.held(held)), todo)
			r.Objects, r.Count = objects(held), int64(len(held))
			return with(r, seen(a.l, e))
		}
	}
	if denied == nil {
		return open
	}
	var roots []holder
	for _, c := range holders(a.host, a.trusted()) {
		if c.Subject.CommonName == "root" {
			roots = append(roots, c)
		}
	}
	if len(roots) > 0 {
		r := check.Warned("", fmt.Sprintf("etcd's RBAC denied %q, but on this node lies %s of its user root", denied.Identity, count(len(roots), "certificate")), "move the certificates of root from the node to where they are used, or remove them")
		r.Objects, r.Count = objects(roots), int64(len(roots))
		return with(r, seen(a.l, *denied))
	}
	return with(check.Passed("", fmt.Sprintf("etcd's RBAC denied %q a key outside its prefixes", denied.Identity)), seen(a.l, *denied))
}

// readsAll reports whether an answer is one of etcd, or of kine, which denies nothing. Other
// errors of gRPC are of a proxy, or of an etcd that has not looked at the client's rights. The
// gateway takes no user from a certificate: what it reads, RBAC does not deny to callers
// without a user.
func (a at) readsAll(e facts.Exchange) bool {
	if e.Request == facts.GatewayRange {
		return e.Outcome == facts.Answered && e.Code() == "200"
	}
	return e.Outcome == facts.Answered && (e.Said == "OK" || a.l.Behind == "kine")
}

// held says in words how many hold certificates of the trusted CA.
func (a at) held(all []holder) string {
	if len(a.trusted()) == 0 {
		return "who else holds one is not known, because the file of the trusted CA was not read"
	}
	return "on this node: " + count(len(all), "certificate") + " of that CA"
}
