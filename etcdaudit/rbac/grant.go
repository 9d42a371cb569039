package rbac

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Right is what some verbs do with resources of one API group. Each verb is a right of its
// own.
type Right struct {
	Verbs     []string
	Group     string // empty for the core group
	Resources []string
}

// Reading is the right to see what is in Secrets. The answer to a patch, which may be empty,
// is the whole Secret, and that to a deletecollection, which may be a dry run, is all that it
// deletes. A watch begins with all that there is.
func Reading() Right {
	return Right{Verbs: []string{"get", "list", "watch", "patch", "deletecollection"}, Resources: []string{"secrets"}}
}

// Subject is whom a binding names.
type Subject struct {
	// Kind is "User", "Group" or "ServiceAccount".
	Kind string
	// Namespace is a service account's.
	Namespace, Name string
}

// String returns "Group system:masters", "ServiceAccount kube-system/default".
func (s Subject) String() string { return s.Kind + " " + s.FullName() }

// FullName returns the name, a service account's with its namespace before a slash.
func (s Subject) FullName() string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return s.Namespace + "/" + s.Name
	}
	return s.Name
}

// Grant is a right that one binding gives to one subject.
type Grant struct {
	Subject Subject
	// Namespace is where it holds; empty for all.
	Namespace string
	// Verbs are those of the right that are granted, in its order.
	Verbs []string
	// Names are the only objects that it holds for, in order; empty for all. A list or
	// watch of one object, by its name, is granted with it.
	Names []string
	// Binding and Role are the kind and name of what grants it: "RoleBinding readers",
	// "ClusterRole view".
	Binding, Role string
}

// mostGrants bounds what Grants returns: one role can restrict each verb to other names, and
// be given to everyone.
const mostGrants = 200_000

// Grants returns who has a right, or some verbs of it: one entry for each subject of each
// binding, and others for what is restricted to single objects. whole is false where they
// are too many: the rest is left out.
func (o *Objects) Grants(right Right) (all []Grant, whole bool) {
	whole = true
	for _, b := range o.bindings {
		allowances := right.in(o.rules(b))
		if len(allowances) == 0 {
			continue
		}
		kind := "ClusterRoleBinding"
		if b.namespace != "" {
			kind = "RoleBinding"
		}
		for _, s := range b.subjects {
			subject, ok := subjectOf(s, b.namespace)
			if !ok {
				continue
			}
			for _, a := range allowances {
				if len(all) == mostGrants {
					whole = false
					break
				}
				all = append(all, Grant{
					Subject: subject, Namespace: b.namespace, Verbs: a.verbs, Names: a.names,
					Binding: kind + " " + b.name, Role: b.role.Kind + " " + b.role.Name,
				})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Subject.Kind, b.Subject.Kind), cmp.Compare(a.Subject.FullName(), b.Subject.FullName()), cmp.Compare(a.Binding, b.Binding))
	})
	return all, whole
}

// subjectOf returns whom a binding's subject is. A service account has a user name, which a
// binding may use as well. There is none where the authorizer matches it with no caller.
func subjectOf(s rbacv1.Subject, namespace string) (Subject, bool) {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		namespace = cmp.Or(s.Namespace, namespace)
		return Subject{s.Kind, namespace, s.Name}, namespace != ""
	case rbacv1.UserKind:
		account, ok := strings.CutPrefix(s.Name, "system:serviceaccount:")
		if namespace, name, two := strings.Cut(account, ":"); ok && two && namespace != "" && name != "" && !strings.Contains(name, ":") {
			return Subject{rbacv1.ServiceAccountKind, namespace, name}, true
		}
		return Subject{Kind: s.Kind, Name: s.Name}, true
	default:
		return Subject{Kind: s.Kind, Name: s.Name}, s.Kind == rbacv1.GroupKind
	}
}

// allowance is some verbs of a right, for all objects or for those with these names.
type allowance struct{ verbs, names []string }

// in returns what rules give of a right: first what holds for all objects, then what holds
// for single ones.
func (right Right) in(rules []rbacv1.PolicyRule) (all []allowance) {
	unrestricted := map[string]bool{}
	single := map[string]map[string]bool{} // verbs by name
	for _, r := range rules {
		if !has(r.APIGroups, right.Group, rbacv1.APIGroupAll) || !slices.ContainsFunc(right.Resources, func(resource string) bool { return matches(r.Resources, resource) }) {
			continue
		}
		for _, verb := range right.Verbs {
			switch {
			case !has(r.Verbs, verb, rbacv1.VerbAll):
			case len(r.ResourceNames) == 0, withoutName(verb) && slices.Contains(r.ResourceNames, ""):
				unrestricted[verb] = true
			default:
				for _, name := range r.ResourceNames {
					if single[name] == nil {
						single[name] = map[string]bool{}
					}
					single[name][verb] = true
				}
			}
		}
	}
	delete(single, "") // no object has it
	if len(unrestricted) > 0 {
		all = append(all, allowance{verbs: right.ordered(unrestricted)})
	}
	names := map[string][]string{} // by verbs
	for _, name := range slices.Sorted(maps.Keys(single)) {
		maps.DeleteFunc(single[name], func(verb string, _ bool) bool { return unrestricted[verb] })
		if verbs := right.ordered(single[name]); len(verbs) > 0 {
			key := strings.Join(verbs, " ")
			names[key] = append(names[key], name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		all = append(all, allowance{strings.Fields(key), names[key]})
	}
	return all
}

func (right Right) ordered(verbs map[string]bool) (list []string) {
	for _, v := range right.Verbs {
		if verbs[v] {
			list = append(list, v)
		}
	}
	return list
}

// withoutName reports whether a request with this verb usually has no name. The authorizer
// compares that with a rule's names as if it were an empty one.
func withoutName(verb string) bool {
	return verb == "list" || verb == "watch" || verb == "deletecollection" || verb == "create"
}

func has(words []string, word, wildcard string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return w == word || w == wildcard })
}

// matches reports whether the resources of a rule hold a resource, or "pods/exec".
func matches(resources []string, resource string) bool {
	_, sub, isSub := strings.Cut(resource, "/")
	return slices.ContainsFunc(resources, func(r string) bool {
		return r == rbacv1.ResourceAll || r == resource || isSub && r == "*/"+sub
	})
}
