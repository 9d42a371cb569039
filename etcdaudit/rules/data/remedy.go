package data

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// step is what to do about a finding.
type step struct {
	text string
	// rewrites is set where it rewrites objects through the API server.
	rewrites bool
}

// in is the step for these resources, with what has to come before it or takes its
// place. It asks for nothing that the API server refuses: the API server cannot rewrite
// what it cannot read, a LIST fails on one such value, and it does not reach the objects
// of an API that is gone.
func (do step) in(inv *inventory.Inventory, resources []*inventory.Resource) string {
	var withoutIdentity, blocked, unknown, undefined []string
	for _, res := range resources {
		name := res.String()
		switch inv.ServedBy(res) {
		case inventory.Unknown:
			unknown = append(unknown, name)
			continue
		case inventory.Undefined:
			undefined = append(undefined, name)
			continue
		}
		identity, other := unreadableIn(res)
		if identity && do.rewrites {
			withoutIdentity = append(withoutIdentity, name)
		}
		if other && do.rewrites {
			blocked = append(blocked, name)
		}
	}
	var all []string
	if len(withoutIdentity) > 0 {
		all = append(all, "add identity as the last provider for "+strings.Join(withoutIdentity, ", ")+", on every API server: without it they cannot read the plaintext that they are to rewrite")
	}
	if len(blocked) > 0 {
		all = append(all, "repair the values of "+strings.Join(blocked, ", ")+" that cannot be read (EA-102, EA-103, EA-114): a LIST fails on one of them, and so does its rewriting")
	}
	if len(unknown)+len(undefined) < len(resources) {
		all = append(all, do.text)
	}
	if len(undefined) > 0 {
		elsewhere := ""
		if !inv.Has(inventory.Definitions) {
			elsewhere = " or the definitions are in another etcd (--etcd-servers-overrides)"
		}
		all = append(all, "delete the keys of "+strings.Join(undefined, ", ")+" from etcd (etcdctl del), unless kubectl api-resources still lists the resource"+elsewhere+": as far as this store shows no API serves it any more, and then none can read, rewrite or delete its objects")
	}
	if len(unknown) > 0 {
		all = append(all, "find out what serves "+strings.Join(unknown, ", ")+": this program does not know the path. The resource may have another name there (podsecuritypolicy: podsecuritypolicies), or be another API server's that shares this etcd, and is then rewritten through that; only if nothing serves it, delete its keys from etcd (etcdctl del)")
	}
	return strings.Join(all, "; then ")
}

// unreadableIn reports whether values of a resource cannot be read because
// identity is missing, or for another reason.
func unreadableIn(r *inventory.Resource) (withoutIdentity, other bool) {
	for _, c := range r.Groups() {
		if c.Drift == drift.UnreadablePlaintext {
			withoutIdentity = true
		} else {
			other = other || c.Drift.Unreadable() || c.Problem != storedvalue.NoProblem || c.Format == storedvalue.UnknownEncryption
		}
	}
	return withoutIdentity, other
}
