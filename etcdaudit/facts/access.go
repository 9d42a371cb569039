package facts

import (
	"path"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

// Access is what the objects of RBAC of one cluster give.
type Access struct {
	// Target, Identity and Source say where the objects were read, and Seen how many.
	Target       string
	Identity     []string
	Source, Seen string
	// Readers may read Secrets.
	Readers []rbac.Grant
	// Ways are the other ways to come to read Secrets, each with those that have it.
	Ways []Way
	// Aggregations are aggregated roles whose stored rules give another right to read
	// Secrets than those that they select.
	Aggregations []rbac.Aggregation
	// Unread is why something of the above may be missing; empty if nothing is.
	Unread string
}

// Way is a way to come to read Secrets, with the grants of it.
type Way struct {
	Name   string
	Grants []rbac.Grant
}

// Accesses returns each access as the subject of a rule.
func (f Facts) Accesses() (all []check.Subject[Access]) {
	for _, a := range f.Access {
		all = append(all, check.Subject[Access]{Target: a.Target, Identity: a.Identity, Facts: a, Evidence: []check.Evidence{{Source: a.Source, Seen: a.Seen}}})
	}
	return all
}

// Authorizers are the modes of --authorization-mode of an API server. known is false where
// its flags do not show them: a file decides, or k3s, which has a default of its own.
func (a APIServer) Authorizers() (modes []string, known bool) {
	modes = a.Config.Given["authorization-mode"]
	switch {
	case a.NotEvaluated != "" || a.Config.Refused != "" || len(a.Config.Given["authorization-config"]) > 0:
		return nil, false
	case len(modes) > 0:
		return modes, true
	default:
		// The default of kube-apiserver (pkg/kubeapiserver/options/authorization.go).
		return []string{"AlwaysAllow"}, a.Process != nil && path.Base(a.Process.Executable) == "kube-apiserver"
	}
}

// authorizing returns an API server of the node that uses the etcd that was read, and whose
// known modes are such; nil for none.
func (f Facts) authorizing(such func(modes []string) bool) *APIServer {
	if f.Host == nil {
		return nil
	}
	for _, s := range f.servers() {
		if modes, known := s.Authorizers(); known && such(modes) {
			return &s
		}
	}
	return nil
}

// WithoutRBAC returns an API server that is known not to authorize by RBAC; nil for none.
func (f Facts) WithoutRBAC() *APIServer {
	return f.authorizing(func(modes []string) bool { return !slices.Contains(modes, "RBAC") })
}

// AllowsAll returns an API server that is known to allow everything to every caller; nil for
// none.
func (f Facts) AllowsAll() *APIServer {
	return f.authorizing(func(modes []string) bool { return slices.Contains(modes, "AlwaysAllow") })
}
