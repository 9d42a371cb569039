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

// Aggregations returns the aggregated ClusterRoles of which that is so.
func (o *Objects) Aggregations(right Right) (all []Aggregation) {
	for _, name := range slices.Sorted(maps.Keys(o.clusterRoles)) {
		role := o.clusterRoles[name]
		if role.AggregationRule == nil {
			continue
		}
		// A selector that cannot be used selects nothing: the controller then changes nothing.
		selected, ok := o.selected(role)
		if stored, selected := right.text(role.Rules), right.text(selected); ok && stored != selected {
			all = append(all, Aggregation{ClusterRole: name, Stored: stored, Selected: selected})
		}
	}
	return all
}

func (o *Objects) selected(role rbacv1.ClusterRole) (rules []rbacv1.PolicyRule, ok bool) {
	for _, s := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&s)
		if err != nil {
			return nil, false
		}
		for name, other := range o.clusterRoles {
			if name != role.Name && selector.Matches(labels.Set(other.Labels)) {
				rules = append(rules, other.Rules...)
			}
		}
	}
	return rules, true
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
