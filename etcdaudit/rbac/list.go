package rbac

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Resources are those that AddList knows.
func Resources() []string {
	return []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}
}

// AddList adds one page of an API server's answer to a list of a resource. next is the token
// of the following page; empty for none.
func (o *Objects) AddList(resource string, answer []byte) (next string, err error) {
	switch resource {
	case "clusterroles":
		var l rbacv1.ClusterRoleList
		return page(answer, "ClusterRoleList", &l, &l.Items, &l.Continue, o.AddClusterRole)
	case "clusterrolebindings":
		var l rbacv1.ClusterRoleBindingList
		return page(answer, "ClusterRoleBindingList", &l, &l.Items, &l.Continue, o.AddClusterRoleBinding)
	case "roles":
		var l rbacv1.RoleList
		return page(answer, "RoleList", &l, &l.Items, &l.Continue, o.AddRole)
	case "rolebindings":
		var l rbacv1.RoleBindingList
		return page(answer, "RoleBindingList", &l, &l.Items, &l.Continue, o.AddRoleBinding)
	default:
		return "", fmt.Errorf("%q is no resource of RBAC", resource)
	}
}

func page[T any](answer []byte, kind string, list message, items *[]T, next *string, add func(T) error) (string, error) {
	if err := decode(answer, kind, list); err != nil {
		return "", err
	}
	for _, item := range *items {
		if err := add(item); err != nil {
			return "", err
		}
	}
	return *next, nil
}
