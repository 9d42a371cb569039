package access

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

// narrow is what to do about a binding whose subjects are too many.
const narrow = "remove these subjects from the bindings, and bind those that need it by name, to a Role with resourceNames (kubectl auth can-i --list shows what remains)"

func anyone() rule {
	return rule{
		ID: "EA-331", Title: "Callers without a login, or with any, may not read Secrets", Severity: check.Critical,
		Why:   "encryption at rest does not matter to a caller that the API server answers: these are all callers that reach it, or all that have any certificate or token",
		Reads: "bindings to system:anonymous, system:unauthenticated and system:authenticated, by RBAC's own rules; --authorization-mode, where a node was read",
		Run: one(func(a facts.Access) check.Result {
			found := of(a.Readers, isAnyone)
			if len(found) == 0 {
				return check.Passed("", "no binding lets anonymous or all authenticated callers read Secrets")
			}
			return holders(check.Fail, found, "anonymous or all authenticated callers may read Secrets, by %s", narrow)
		}),
	}
}

// unlessAllIsAllowed finds that everyone may read where the API server allows everything:
// whatever RBAC says.
func unlessAllIsAllowed(r check.Rule[facts.Facts]) check.Rule[facts.Facts] {
	all := r
	all.Needs, all.Run = nil, func(f facts.Facts) []check.Result {
		s := f.AllowsAll()
		if s == nil {
			return check.Evaluate([]check.Rule[facts.Facts]{r}, f)[0].Results
		}
		modes, _ := s.Authorizers()
		result := check.Failed(s.Name, "the API server allows everything to every caller (AlwaysAllow)", "authorize by Node,RBAC")
		result.Identity = []string{f.Host.Node, "kube-apiserver", strconv.Itoa(s.Config.SecurePort)}
		result.Evidence = []check.Evidence{{Source: s.Source, Seen: fmt.Sprintf("--authorization-mode is %s", strings.Join(modes, ","))}}
		return []check.Result{result}
	}
	return all
}
