package access

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
)

// isAnyone reports whether a grant is for all callers: those without a login, or those with
// any. The names are those of k8s.io/apiserver, pkg/authentication/user.
func isAnyone(g rbac.Grant) bool {
	switch g.Subject.String() {
	case "User system:anonymous", "Group system:unauthenticated", "Group system:authenticated":
		return true
	default:
		return false
	}
}

// isUnchosenAccount reports whether a grant is for service accounts that a Pod has without
// asking for one: a default one, or all of the cluster or of a namespace.
func isUnchosenAccount(g rbac.Grant) bool {
	if g.Subject.Kind == "Group" {
		return g.Subject.Name == "system:serviceaccounts" || strings.HasPrefix(g.Subject.Name, "system:serviceaccounts:")
	}
	return g.Subject.Kind == "ServiceAccount" && g.Subject.Name == "default"
}

// isChosen reports whether a grant is for a subject that was chosen, which a person has to
// judge: EA-331 and EA-332 are about the others.
func isChosen(g rbac.Grant) bool { return !isAnyone(g) && !isUnchosenAccount(g) && !isBuiltIn(g) }

// isBuiltIn reports whether a grant is one that the API server itself makes when it starts, for
// the control plane, or kubeadm for its administrators. They are those of Kubernetes 1.37
// that have to do with Secrets; a test compares them with a real API server's.
func isBuiltIn(g rbac.Grant) bool {
	switch g.Binding + " of " + g.Role + " to " + g.Subject.String() {
	case "ClusterRoleBinding cluster-admin of ClusterRole cluster-admin to Group system:masters",
		"ClusterRoleBinding kubeadm:cluster-admins of ClusterRole cluster-admin to Group kubeadm:cluster-admins",
		"ClusterRoleBinding system:kube-controller-manager of ClusterRole system:kube-controller-manager to User system:kube-controller-manager":
		return true
	}
	kind, role, _ := strings.Cut(g.Role, " ")
	controller, ok := strings.CutPrefix(role, "system:controller:")
	if !ok || g.Binding != kind+"Binding "+role || g.Subject != (rbac.Subject{Kind: "ServiceAccount", Namespace: "kube-system", Name: controller}) {
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
