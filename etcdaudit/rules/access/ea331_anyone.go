package access

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

// narrow is what to do about a binding whose subjects are too many.
const narrow = "remove these subjects from the bindings, and bind those that need it by name, to a Role with resourceNames (kubectl auth can-i --list shows what remains)"

func anyone() rule {
	return rule{
		ID: "EA-331", Title: "Callers without a login, or with any, may not read Secrets", Severity: check.Critical,
		Why:   "encryption at rest does not matter to a caller that the API server answers: these are all callers that reach it, or all that have any certificate or token",
		Reads: "bindings to system:anonymous, system:unauthenticated and system:authenticated that let them read Secrets, or come to in the ways of EA-336, by RBAC's own rules",
		Run: one(func(a facts.Access) check.Result {
			found, may := who(reading(a), isAnyone)
			if len(found) == 0 {
				return check.Passed("", "no binding lets anonymous or all authenticated callers read Secrets")
			}
			return holders(check.Fail, found, "anonymous or all authenticated callers (%s) may "+may, narrow)
		}),
	}
}
