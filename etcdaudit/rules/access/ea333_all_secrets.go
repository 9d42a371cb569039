package access

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

func allSecrets() rule {
	return rule{
		ID: "EA-333", Title: "Only the control plane itself may read every Secret", Severity: check.Medium,
		Why:   "each of these subjects has all credentials of the cluster; whether it needs them a person has to decide",
		Reads: "ClusterRoleBindings that give get, list, watch, patch or deletecollection of all Secrets, by RBAC's own rules; known are the bindings that the API server makes for itself, and kubeadm:cluster-admins",
		Run: one(func(a facts.Access) check.Result {
			everywhere := of(a.Readers, isEverywhere)
			found := of(everywhere, isChosen)
			if len(found) == 0 {
				return check.Passed("", fmt.Sprintf("only the control plane's own subjects and administrators may read every Secret, %d in all", len(of(everywhere, rbac.Grant.BuiltIn))))
			}
			return holders(check.Warn, found, "%s beyond the control plane's own may read every Secret", "for each of them: is it needed? Operators often need one namespace only (RoleBinding), or metadata, or single Secrets (resourceNames)")
		}),
	}
}

// isEverywhere reports whether a grant holds for all Secrets of all namespaces.
func isEverywhere(g rbac.Grant) bool { return g.Namespace == "" && len(g.Names) == 0 }
