// Package access holds the rules about who may read Secrets through the API server, EA-33x,
// one a file.
package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/internal/check"
)

// Rules returns the rules in the order of their ids. Each is about the objects of RBAC of one
// cluster, and evaluated for every cluster.
func Rules() (all []check.Rule[facts.Facts]) {
	for _, r := range []rule{anyone(), serviceAccounts(), allSecrets(), someSecrets(), aggregatedRoles(), otherWays()} {
		ofClusters := check.ForEach(r, facts.Facts.Accesses)
		ofClusters.Needs = []check.Need[facts.Facts]{authorized, read}
		all = append(all, ofClusters)
	}
	return all
}

type rule = check.Rule[facts.Access]

// authorized is not met where RBAC is known not to decide.
func authorized(f facts.Facts) (check.Result, bool) {
	s := f.WithoutRBAC()
	if s == nil {
		return check.Result{}, true
	}
	types, from, _ := s.Authorizers()
	return check.Unevaluated("", fmt.Sprintf("%s authorizes by %s (%s): RBAC does not decide who reads Secrets", s.Name, strings.Join(types, ", "), from), "authorize by Node and RBAC: see EA-425"), false
}

// read is not met where no objects of RBAC were looked at.
func read(f facts.Facts) (check.Result, bool) {
	return check.Unevaluated("", cmp.Or(f.Unscanned, "no data was read"), ""), len(f.Access) > 0
}

// one is the Run of a rule that has one result for each cluster. Where objects could not be
// read, what was found holds, and nothing is passed.
func one(run func(facts.Access) check.Result) func(facts.Access) []check.Result {
	return func(a facts.Access) []check.Result {
		r := run(a)
		if a.Unread != "" && !r.Status.Finding() {
			r = check.Unevaluated("", a.Unread, "give --kubeconfig of a user who may list the objects of RBAC")
			r.Expected = true
		}
		return []check.Result{r}
	}
}

// listed bounds the subjects that a result names.
const listed = 1_000

// holders is the finding about the subjects of some grants: a subject is one object, whatever
// gives it the right.
func holders(status check.Status, grants []rbac.Grant, summary, remedy string) check.Result {
	of := map[rbac.Subject][]string{}
	var subjects []rbac.Subject
	for _, g := range grants {
		if of[g.Subject] == nil {
			subjects = append(subjects, g.Subject)
		}
		of[g.Subject] = append(of[g.Subject], text(g))
	}
	slices.SortFunc(subjects, func(a, b rbac.Subject) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	number := "1 subject"
	if len(subjects) != 1 {
		number = fmt.Sprintf("%d subjects", len(subjects))
	}
	r := check.Result{Status: status, Summary: fmt.Sprintf(summary, number), Remedy: remedy, Count: int64(len(subjects))}
	for _, s := range subjects[:min(len(subjects), listed)] {
		r.Objects = append(r.Objects, check.Object{Resource: s.Kind, Namespace: s.Namespace, Name: s.Name, Detail: some(of[s], "; ")})
	}
	return r
}

// text is what a grant gives: "get, list in namespace app by RoleBinding readers (Role reader)".
func text(g rbac.Grant) string {
	what := strings.Join(g.Verbs, ", ")
	if len(g.Names) > 0 {
		what += " of " + some(g.Names, ", ")
	}
	where := "everywhere"
	if g.Namespace != "" {
		where = "in namespace " + g.Namespace
	}
	return fmt.Sprintf("%s %s by %s (%s)", what, where, g.Binding, g.Role)
}

// some joins the first of some texts.
func some(texts []string, separator string) string {
	const most = 3
	joined := strings.Join(texts[:min(len(texts), most)], separator)
	if more := len(texts) - most; more > 0 {
		joined += fmt.Sprintf(" and %d more", more)
	}
	return joined
}

// reading are all ways to read Secrets, the plain one first.
func reading(a facts.Access) []facts.Way {
	return append([]facts.Way{{Name: "read Secrets", Grants: a.Readers}}, a.Ways...)
}

// who returns the grants of some ways of which something holds, and what they let their
// subjects do.
func who(ways []facts.Way, holds func(rbac.Grant) bool) (found []rbac.Grant, may string) {
	var names []string
	for _, way := range ways {
		if have := of(way.Grants, holds); len(have) > 0 {
			found, names = append(found, have...), append(names, way.Name)
		}
	}
	return found, strings.Join(names, "; or ")
}

// of returns the grants of which something holds.
func of(grants []rbac.Grant, holds func(rbac.Grant) bool) (some []rbac.Grant) {
	for _, g := range grants {
		if holds(g) {
			some = append(some, g)
		}
	}
	return some
}
