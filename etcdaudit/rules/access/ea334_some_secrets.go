package access

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

func someSecrets() rule {
	return rule{
		ID: "EA-334", Title: "Readers of Secrets by namespace or name", Severity: check.Info,
		Why:   "these are the people and programs whose access to Secrets has to be reviewed from time to time",
		Reads: "bindings that give get, list, watch, patch or deletecollection of the Secrets of a namespace, or of single ones, by RBAC's own rules",
		Run: one(func(a facts.Access) check.Result {
			found := of(a.Readers, func(g rbac.Grant) bool { return isChosen(g) && !isEverywhere(g) })
			if len(found) == 0 {
				return check.Passed("", "no subject beyond the control plane's own may read the Secrets of a namespace, or single ones")
			}
			return holders(check.Warn, found, "%s may read the Secrets of a namespace, or single ones", "none by itself; review the list (readers in the JSON report)")
		}),
	}
}
