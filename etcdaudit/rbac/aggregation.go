package rbac

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Aggregation is an aggregated ClusterRole whose stored rules give another right than those
// that it selects. The stored ones count. A controller of kube-controller-manager makes them
// equal, if it runs.
type Aggregation struct {
	ClusterRole string
	// Stored and Selected are the rights: "get, list of all", "nothing".
	Stored, Selected string
}

// Aggregations returns the aggregated ClusterRoles of which that is so. whole is false where
// they select too much: the rest is left out.
func (o *Objects) Aggregations(right Right) (all []Aggregation, whole bool) {
	left := largest
	for _, name := range slices.Sorted(maps.Keys(o.clusterRoles)) {
		role := o.clusterRoles[name]
		if role.AggregationRule == nil {
			continue
		}
		selects, err := selectors(role.AggregationRule)
		if err != nil { // the controller changes nothing then
			continue
		}
		var rules []rbacv1.PolicyRule
		for other, r := range o.clusterRoles {
			if other == name || !slices.ContainsFunc(selects, func(s labels.Selector) bool { return s.Matches(labels.Set(r.Labels)) }) {
				continue
			}
			// Some hundred roles that each select all others would take all memory.
			if left -= sizeOf(r.Rules); left < 0 {
				return all, false
			}
			rules = append(rules, r.Rules...)
		}
		if stored, selected := right.text(role.Rules), right.text(rules); stored != selected {
			all = append(all, Aggregation{ClusterRole: name, Stored: stored, Selected: selected})
		}
	}
	return all, true
}

func selectors(rule *rbacv1.AggregationRule) (all []labels.Selector, err error) {
	for _, s := range rule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&s)
		if err != nil {
			return nil, err
		}
		all = append(all, selector)
	}
	return all, nil
}

// text is what rules give of a right. It is the same for rules in another order.
func (right Right) text(rules []rbacv1.PolicyRule) string {
	var parts []string
	for _, a := range right.in(rules) {
		of := "all"
		if len(a.names) > 0 {
			of = strings.Join(a.names, ", ")
		}
		parts = append(parts, fmt.Sprintf("%s of %s", strings.Join(a.verbs, ", "), of))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
