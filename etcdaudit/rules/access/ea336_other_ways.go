package access

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func otherWays() rule {
	return rule{
		ID: "EA-336", Title: "Only the control plane itself may come to read Secrets in other ways", Severity: check.Low,
		Why:   "who gives itself rights, acts as others, issues their tokens, or runs Pods or commands in them reads Secrets without being allowed to; usual for administrators and deployment programs, and to be reviewed",
		Reads: "bindings that give escalate or bind on roles, impersonate, serviceaccounts/token, creating or changing Pods and their workloads, pods/exec, pods/attach, pods/ephemeralcontainers and nodes/proxy, by RBAC's own rules; all callers and unchosen service accounts are EA-331's and EA-332's",
		Run: one(func(a facts.Access) check.Result {
			found, may := who(a.Ways, isChosen)
			if len(found) == 0 {
				return check.Passed("", "no subject beyond the control plane's own and administrators may give itself rights, act as others, or run Pods or commands in them")
			}
			return holders(check.Warn, found, "%s may "+may, "review who needs these verbs, and in which namespaces")
		}),
	}
}
