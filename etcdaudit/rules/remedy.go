package rules

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
)

// remedy is what to do about a finding in these resources. It asks for nothing
// that the API server refuses: that cannot rewrite what it cannot read, a LIST
// fails on one such value, and objects of an API that is gone are out of its
// reach.
func (r Rule) remedy(inv *inventory.Inventory, resources []*inventory.Resource) string {
	var withoutIdentity, blocked, unknown, undefined []string
	for _, res := range resources {
		name := term.Printable(res.String())
		switch inv.ServedBy(res) {
		case inventory.Unknown:
			unknown = append(unknown, name)
			continue
		case inventory.Undefined:
			undefined = append(undefined, name)
			continue
		}
		identity, other := unreadableIn(res)
		if identity && r.Rewrites {
			withoutIdentity = append(withoutIdentity, name)
		}
		if other && r.Rewrites {
			blocked = append(blocked, name)
		}
	}
	var steps []string
	if len(withoutIdentity) > 0 {
		steps = append(steps, "add identity as the last provider for "+strings.Join(withoutIdentity, ", ")+", on every API server: without it they cannot read the plaintext that they are to rewrite")
	}
	if len(blocked) > 0 {
		steps = append(steps, "repair the values of "+strings.Join(blocked, ", ")+" that cannot be read (EA-102, EA-103, EA-114): a LIST fails on one of them, and so does its rewriting")
	}
	if len(unknown)+len(undefined) < len(resources) || len(resources) == 0 {
		steps = append(steps, r.Remediation)
	}
	if len(undefined) > 0 {
		elsewhere := ""
		if !inv.Has(inventory.Definitions) {
			elsewhere = " or the definitions are in another etcd (--etcd-servers-overrides)"
		}
		steps = append(steps, "delete the keys of "+strings.Join(undefined, ", ")+" from etcd (etcdctl del), unless kubectl api-resources still lists the resource"+elsewhere+": as far as this store shows no API serves it any more, and then none can read, rewrite or delete its objects")
	}
	if len(unknown) > 0 {
		steps = append(steps, "find out what serves "+strings.Join(unknown, ", ")+": this program does not know the path. The resource may have another name there (podsecuritypolicy: podsecuritypolicies), or be another API server's that shares this etcd, and is then rewritten through that; only if nothing serves it, delete its keys from etcd (etcdctl del)")
	}
	return strings.Join(steps, "; then ")
}

// unreadableIn reports whether values of a resource cannot be read because
// identity is missing, or for another reason.
func unreadableIn(r *inventory.Resource) (withoutIdentity, other bool) {
	for _, c := range r.Groups() {
		switch c.Standing {
		case encryptionconfig.UnreadablePlaintext:
			withoutIdentity = true
		case encryptionconfig.UnreadableName, encryptionconfig.UnreadableKey, encryptionconfig.UnreadableMistaken:
			other = true
		default:
			other = other || c.Problem != storedvalue.NoProblem || c.Format == storedvalue.UnknownEncryption
		}
	}
	return withoutIdentity, other
}
