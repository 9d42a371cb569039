package rbac

import "strings"

// BuiltIn reports whether a grant is one that the API server itself makes when it starts, for
// the control plane, or kubeadm for its administrators. They are those of Kubernetes 1.37
// that have to do with Secrets; a test compares them with a real API server's.
func (g Grant) BuiltIn() bool {
	switch g.Binding + " of " + g.Role + " to " + g.Subject.String() {
	case "ClusterRoleBinding cluster-admin of ClusterRole cluster-admin to Group system:masters",
		"ClusterRoleBinding kubeadm:cluster-admins of ClusterRole cluster-admin to Group kubeadm:cluster-admins",
		"ClusterRoleBinding system:kube-controller-manager of ClusterRole system:kube-controller-manager to User system:kube-controller-manager":
		return true
	}
	kind, role, _ := strings.Cut(g.Role, " ")
	controller, ok := strings.CutPrefix(role, "system:controller:")
	if !ok || g.Binding != kind+"Binding "+role || g.Subject != (Subject{Kind: "ServiceAccount", Namespace: "kube-system", Name: controller}) {
		return false
	}
	switch controller {
	case "bootstrap-signer", "clusterrole-aggregation-controller", "cronjob-controller", "daemon-set-controller", "deployment-controller",
		"generic-garbage-collector", "job-controller", "legacy-service-account-token-cleaner", "namespace-controller", "persistent-volume-binder",
		"replicaset-controller", "replication-controller", "resourcequota-controller", "statefulset-controller", "storage-version-migrator-controller",
		"token-cleaner":
		return true
	default:
		return false
	}
}
