package access

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
)

// isAnyone reports whether a grant is for all callers: those without a login, or those with
// any. The names are those of k8s.io/apiserver, pkg/authentication/user.
func isAnyone(g rbac.Grant) bool {
	switch g.Subject.String() {
	case "User system:anonymous", "Group system:unauthenticated", "Group system:authenticated":
		return true
	default:
		return false
	}
}

// isUnchosenAccount reports whether a grant is for service accounts that a Pod has without
// asking for one: a default one, or all of the cluster or of a namespace.
func isUnchosenAccount(g rbac.Grant) bool {
	if g.Subject.Kind == "Group" {
		return g.Subject.Name == "system:serviceaccounts" || strings.HasPrefix(g.Subject.Name, "system:serviceaccounts:")
	}
	return g.Subject.Kind == "ServiceAccount" && g.Subject.Name == "default"
}

// isChosen reports whether a grant is for a subject that was chosen, which a person has to
// judge: EA-331 and EA-332 are about the others.
func isChosen(g rbac.Grant) bool { return !isAnyone(g) && !isUnchosenAccount(g) && !g.BuiltIn() }
