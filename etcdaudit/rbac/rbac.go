// Package rbac says what Kubernetes' RBAC authorizer allows, from the objects that it goes
// by: roles and bindings as they are stored. It is pure, and must never see a Secret.
//
// The semantics are those of k8s.io/kubernetes v1.37.1: pkg/registry/rbac/validation/rule.go
// (which bindings apply), pkg/apis/rbac/v1/evaluation_helpers.go (which rules match) and
// pkg/controller/clusterroleaggregation (which rules an aggregated role is given).
package rbac

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Objects are the roles and bindings of one cluster. The zero value has none.
type Objects struct {
	clusterRoles map[string]rbacv1.ClusterRole
	roles        map[named]rbacv1.Role
	bindings     []binding
	counts       map[string]int // by kind
	size         int            // see largest
	selecting    int            // see mostSelecting
}

// named is the name of an object in a namespace.
type named struct{ namespace, name string }

// binding is a ClusterRoleBinding, or a RoleBinding with its namespace.
type binding struct {
	named
	role     rbacv1.RoleRef
	subjects []rbacv1.Subject
}

// Bounds on what a damaged or hostile store can make the evaluation cost.
const (
	// largest is for the memory of all objects together, in bytes. It has room for some
	// hundred thousand usual bindings.
	largest = 128 << 20
	// overhead is roughly what an object, rule or subject takes beside its words, in bytes.
	// Without it, empty ones would cost nothing.
	overhead = 64
	// Every aggregated role is compared with every ClusterRole.
	mostClusterRoles = 20_000
	mostSelecting    = 1_000 // requirements of all selectors together
)

// limitError is about a bound: what follows is not added either.
type limitError string

func (e limitError) Error() string { return string(e) }

// take makes room for an object with these rules and subjects.
func (o *Objects) take(kind string, rules []rbacv1.PolicyRule, subjects []rbacv1.Subject, words ...string) error {
	size := overhead + sizeOfWords(words) + sizeOf(rules)
	for _, s := range subjects {
		size += overhead + sizeOfWords([]string{s.Kind, s.Namespace, s.Name})
	}
	if o.size += size; o.size > largest {
		return limitError(fmt.Sprintf("the objects of RBAC take more than %d MiB, which is not evaluated", largest>>20))
	}
	if o.counts == nil {
		o.counts, o.clusterRoles, o.roles = map[string]int{}, map[string]rbacv1.ClusterRole{}, map[named]rbacv1.Role{}
	}
	o.counts[kind]++
	return nil
}

// sizeOf is roughly the memory that rules take, in bytes.
func sizeOf(rules []rbacv1.PolicyRule) (size int) {
	for _, r := range rules {
		size += overhead + sizeOfWords(r.Verbs) + sizeOfWords(r.APIGroups) + sizeOfWords(r.Resources) + sizeOfWords(r.ResourceNames)
	}
	return size
}

func sizeOfWords(words []string) (size int) {
	for _, w := range words {
		size += overhead/4 + len(w)
	}
	return size
}

// AddClusterRole adds an object. It fails, as the other three do, if all of them together
// would be too large.
func (o *Objects) AddClusterRole(r rbacv1.ClusterRole) error {
	words := []string{r.Name}
	for name, value := range r.Labels {
		words = append(words, name, value)
	}
	rules := ofResources(r.Rules)
	if r.AggregationRule != nil {
		for _, s := range r.AggregationRule.ClusterRoleSelectors {
			words = append(words, s.String())
			o.selecting += 1 + len(s.MatchLabels) + len(s.MatchExpressions)
		}
	}
	if o.selecting > mostSelecting || o.counts["ClusterRole"] == mostClusterRoles {
		return limitError(fmt.Sprintf("there are more than %d ClusterRoles, or aggregated ones with more than %d requirements, which is not evaluated", mostClusterRoles, mostSelecting))
	}
	if err := o.take("ClusterRole", rules, nil, words...); err != nil {
		return err
	}
	o.clusterRoles[r.Name] = rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: r.Name, Labels: r.Labels}, Rules: rules, AggregationRule: r.AggregationRule}
	return nil
}

// AddRole adds an object.
func (o *Objects) AddRole(r rbacv1.Role) error {
	rules := ofResources(r.Rules)
	if err := o.take("Role", rules, nil, r.Namespace, r.Name); err != nil {
		return err
	}
	o.roles[named{r.Namespace, r.Name}] = rbacv1.Role{Rules: rules}
	return nil
}

// AddClusterRoleBinding adds an object.
func (o *Objects) AddClusterRoleBinding(b rbacv1.ClusterRoleBinding) error {
	return o.bind("ClusterRoleBinding", binding{named{"", b.Name}, b.RoleRef, b.Subjects})
}

// AddRoleBinding adds an object.
func (o *Objects) AddRoleBinding(b rbacv1.RoleBinding) error {
	return o.bind("RoleBinding", binding{named{b.Namespace, b.Name}, b.RoleRef, b.Subjects})
}

func (o *Objects) bind(kind string, b binding) error {
	if err := o.take(kind, nil, b.subjects, b.namespace, b.name, b.role.Kind, b.role.Name); err != nil {
		return err
	}
	o.bindings = append(o.bindings, b)
	return nil
}

// String says how many objects there are.
func (o *Objects) String() string {
	return fmt.Sprintf("%d ClusterRoles, %d ClusterRoleBindings, %d Roles and %d RoleBindings",
		o.counts["ClusterRole"], o.counts["ClusterRoleBinding"], o.counts["Role"], o.counts["RoleBinding"])
}

// rules are those of the role that a binding names; none where there is no such role.
func (o *Objects) rules(b binding) []rbacv1.PolicyRule {
	switch b.role.Kind {
	case "Role":
		return o.roles[named{b.namespace, b.role.Name}].Rules
	case "ClusterRole":
		return o.clusterRoles[b.role.Name].Rules
	default:
		return nil
	}
}

// ofResources leaves out rules that match no request for a resource, such as those of
// non-resource URLs.
func ofResources(rules []rbacv1.PolicyRule) (kept []rbacv1.PolicyRule) {
	for _, r := range rules {
		if len(r.Verbs) > 0 && len(r.APIGroups) > 0 && len(r.Resources) > 0 {
			kept = append(kept, r)
		}
	}
	return kept
}
