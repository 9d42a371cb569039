package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// API lists all objects of RBAC through an API server, and says which one that is.
type API func(context.Context) (server string, objects *rbac.Objects, err error)

// accessIn is what the objects of RBAC in one etcd give.
func accessIn(s facts.Store, c *rbac.Collector) facts.Access {
	scope := s.Scope
	a := access(&c.Objects, cmp.Or(c.Unread(), s.Unread()))
	a.Target, a.Identity, a.Source = scope.ID(), scope.Identity(), scope.String()
	if c.Seen() == 0 {
		a.Unread = fmt.Sprintf("no object of RBAC is under %s: an API server that authorizes by RBAC stores its own when it starts", term.Printable(scope.Prefix))
	}
	return a
}

// completed asks the API server where etcd does not show all objects.
func completed(ctx context.Context, all []facts.Access, api API) []facts.Access {
	whole := len(all) > 0
	for _, a := range all {
		whole = whole && a.Unread == ""
	}
	if whole || api == nil {
		return all
	}
	server, objects, err := api(ctx)
	if err != nil {
		for i := range all {
			if all[i].Unread != "" {
				all[i].Unread += "; and the API server: " + term.Printable(err.Error())
			}
		}
		return all
	}
	a := access(objects, "")
	a.Target, a.Identity, a.Source = "API server "+server, []string{"kube-apiserver", server}, "GET "+server+"/apis/rbac.authorization.k8s.io/v1"
	return []facts.Access{a}
}

// access evaluates objects of RBAC. unread is why some are missing; empty if none are.
func access(o *rbac.Objects, unread string) facts.Access {
	a := facts.Access{Seen: o.String(), Unread: unread}
	grants := func(right rbac.Right) []rbac.Grant {
		all, whole := o.Grants(right)
		if !whole {
			a.Unread = cmp.Or(a.Unread, "the bindings of RBAC give more rights than are evaluated")
		}
		for i := range all {
			all[i] = printable(all[i])
		}
		return all
	}
	a.Readers = grants(rbac.Reading())
	for _, way := range rbac.Ways() {
		w := facts.Way{Name: way.Name}
		for _, right := range way.Rights {
			w.Grants = append(w.Grants, grants(right)...)
		}
		a.Ways = append(a.Ways, w)
	}
	aggregations, whole := o.Aggregations(rbac.Reading())
	if !whole {
		a.Unread = cmp.Or(a.Unread, "the aggregated roles of RBAC select more rules than are evaluated")
	}
	for _, g := range aggregations {
		a.Aggregations = append(a.Aggregations, rbac.Aggregation{ClusterRole: shown(g.ClusterRole), Stored: shown(g.Stored), Selected: shown(g.Selected)})
	}
	return a
}

// mostNames bounds the Secrets that one grant names.
const mostNames = 100

// printable makes names that come from etcd or an API server safe to show.
func printable(g rbac.Grant) rbac.Grant {
	g.Subject.Namespace, g.Subject.Name = shown(g.Subject.Namespace), shown(g.Subject.Name)
	g.Namespace, g.Binding, g.Role = shown(g.Namespace), shown(g.Binding), shown(g.Role)
	var names []string
	for _, name := range g.Names[:min(len(g.Names), mostNames)] {
		names = append(names, shown(name))
	}
	if more := len(g.Names) - mostNames; more > 0 {
		names = append(names, fmt.Sprintf("(%d more)", more))
	}
	g.Names = names
	return g
}

// shown cuts and escapes a name. Two names can look the same then, and would be one subject:
// a hash tells them apart.
func shown(name string) string {
	const longest = 512 // bytes; Kubernetes allows 253 for its own objects
	text := term.Printable(name[:min(len(name), longest)])
	if text != name {
		text += fmt.Sprintf(" (sha256:%x)", sha256.Sum256([]byte(name)))
	}
	return text
}

// readers lists who may read Secrets. Members of system:masters may, whatever RBAC says.
func readers(all []facts.Access) (list []*auditv1.Reader) {
	for _, a := range all {
		for _, g := range a.Readers {
			list = append(list, &auditv1.Reader{
				Kind: g.Subject.Kind, Name: g.Subject.FullName(), Namespace: g.Namespace,
				Verbs: g.Verbs, Secrets: g.Names, Binding: g.Binding, Role: g.Role, BuiltIn: g.BuiltIn(),
			})
		}
	}
	return list
}
