package access

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func serviceAccounts() rule {
	return rule{
		ID: "EA-332", Title: "Service accounts that Pods have by default may not read Secrets", Severity: check.High,
		Why:   "a Pod that names no service account runs as the default one of its namespace, and its token is in every container: one that is taken over reads these Secrets",
		Reads: "bindings to default service accounts and to the groups of all service accounts that let them read Secrets, or come to in the ways of EA-336, by RBAC's own rules",
		Run: one(func(a facts.Access) check.Result {
			found, may := who(reading(a), isUnchosenAccount)
			if len(found) == 0 {
				return check.Passed("", "neither a default service account nor a group of all service accounts may read Secrets")
			}
			return holders(check.Fail, found, "default or all service accounts (%s) may "+may, "give each Pod that needs it a service account of its own, bind that to a Role with resourceNames, and remove these subjects from the bindings")
		}),
	}
}
