package access

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

func otherWays() rule {
	return rule{
		ID: "EA-336", Title: "Only the control plane itself may come to read Secrets in other ways", Severity: check.Low,
		Why:   "who gives itself rights, acts as others, issues their tokens, or runs Pods or commands in them reads Secrets without being allowed to; usual for administrators and deployment programs, and to be reviewed",
		Reads: "bindings that give escalate or bind on roles, impersonate, serviceaccounts/token, or creating Pods, their workloads, pods/exec, pods/attach and nodes/proxy, by RBAC's own rules",
		Run: one(func(a facts.Access) check.Result {
			var found []rbac.Grant
			var ways []string
			for _, way := range a.Ways {
				have := of(way.Grants, func(g rbac.Grant) bool { return !g.BuiltIn() })
				if len(have) > 0 {
					ways = append(ways, way.Name)
				}
				found = append(found, have...)
			}
			if len(found) == 0 {
				return check.Passed("", "no subject beyond the control plane's own and administrators may give itself rights, act as others, or run Pods or commands in them")
			}
			return holders(check.Warn, found, "%s may "+strings.Join(ways, "; or "), "review who needs these verbs, and in which namespaces")
		}),
	}
}
