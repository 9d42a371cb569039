package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func rightObject() rule {
	const todo = "find out who wrote to etcd directly; restore the objects that belong there from a backup, and change what the other ones gave away: an API server serves them under a name that others may read"
	return rule{
		ID: "EA-143", Title: "A value holds the object that its etcd key names", Severity: check.High,
		Why:   "aescbc, secretbox and plaintext are bound to no place: who can write to etcd puts one object where another one is read",
		Reads: readsObjects,
		Needs: needs{need.Verified},
		Run:   judgeObjects(check.Fail, todo, func(_ facts.Store, summary string) check.Result { return check.Passed("", summary) }),
	}
}

const readsObjects = "kind, namespace and name of every opened object, beside its etcd key; the kind of a custom resource by its definition in the same etcd (--verify)"

// judgeObjects is the Run of the rules about what values hold. What was not opened, or cannot be
// compared, has a result of its own. clean is what is said where each value is what it should be.
func judgeObjects(status check.Status, todo string, clean func(s facts.Store, summary string) check.Result) func(facts.Store) []check.Result {
	return func(s facts.Store) (results []check.Result) {
		v := s.Verified
		compared := v.Identities[verify.Same] + v.Identities[verify.SameName]
		if n := v.Identities[verify.Differs]; n > 0 {
			r := check.Result{Status: status, Count: n, Remedy: todo, Summary: fmt.Sprintf("%d of %s hold another object than their etcd key names", n, values(v.Values))}
			r.Objects = objects(s, func(f verify.Finding) (string, bool) {
				return "holds " + holds(f.Result), f.Result.Identity == verify.Differs
			})
			results = append(results, r)
		} else if compared > 0 {
			results = append(results, clean(s, fmt.Sprintf("%d of %s are what their etcd keys name%s", compared, values(v.Values), unnamed(v))))
		}
		results = append(results, unopened(v)...)
		if kindless := v.Kindless(); len(kindless) > 0 {
			r := check.Unevaluated("", fmt.Sprintf("the kind of %s was not compared, because no CustomResourceDefinition of theirs was read: %s", values(v.Identities[verify.SameName]), printable(kindless)), "")
			r.Expected = true // their definitions can be in another etcd
			results = append(results, r)
		}
		if len(results) == 0 {
			results = append(results, check.Inapplicable("no object was opened that says what it is"))
		}
		return results
	}
}

// holds names what stands in another object's place.
func holds(r verify.Result) string {
	name := r.Holds.Name
	if r.Holds.Namespace != "" {
		name = r.Holds.Namespace + "/" + name
	}
	return term.Printable(strings.TrimSpace(r.Holds.Kind + " " + name))
}

// unnamed counts what could not be compared.
func unnamed(v *verify.Tally) string {
	if n := v.Identities[verify.Unsaid]; n > 0 {
		return fmt.Sprintf("; %d do not say what they are", n)
	}
	return ""
}

func printable(paths []string) string {
	const most = 20
	var all []string
	for _, p := range paths[:min(len(paths), most)] {
		all = append(all, term.Printable(p))
	}
	if more := len(paths) - most; more > 0 {
		all = append(all, fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}
