package facts

import (
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
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

// Authorizers returns the types of an API server's authorizers in their order, and the flag or
// file that names them. known is false where neither shows them.
func (a APIServer) Authorizers() (types []string, from string, known bool) {
	switch {
	case a.NotEvaluated != "" || a.Config.Refused != "":
		return nil, "", false
	case a.Authorization != nil:
		return a.Authorization.Types, a.Authorization.Path, a.Authorization.Err == ""
	default:
		return a.Config.AuthorizationModes, "--authorization-mode", len(a.Config.AuthorizationModes) > 0
	}
}

// WithoutRBAC returns an API server that uses the etcd that was read, and is known not to
// authorize by RBAC, or to allow all that RBAC does not; nil for none.
func (f Facts) WithoutRBAC() *APIServer {
	if f.Host == nil {
		return nil
	}
	for _, s := range f.servers() {
		types, _, known := s.Authorizers()
		if known && (!slices.Contains(types, "RBAC") || slices.Contains(types, apiserverconfig.AlwaysAllow)) {
			return &s
		}
	}
	return nil
}
