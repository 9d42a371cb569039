package rbac

import rbacv1 "k8s.io/api/rbac/v1"

// Way is how a subject that may not read Secrets can come to read them.
type Way struct {
	// Name says what it is, and what follows: "run Pods, which can mount every Secret of
	// their namespace".
	Name   string
	Rights []Right
}

// Ways are those that auditors ask for (CIS Kubernetes Benchmark, section 5.1), and that one
// rule of RBAC gives. Others are left out: nodes, admission webhooks, approved certificates.
func Ways() []Way {
	// A workload that is changed runs another image, and mounts other Secrets. Of a Pod the image
	// can be changed; of a Job neither (k8s.io/kubernetes, pkg/apis/core and batch/validation).
	write := []string{"create", "update", "patch"}
	return []Way{
		{"give themselves rights (escalate, bind)", []Right{{Verbs: []string{"escalate", "bind"}, Group: rbacv1.GroupName, Resources: []string{"clusterroles", "roles"}}}},
		{"act as others (impersonate)", []Right{{Verbs: []string{"impersonate"}, Resources: []string{"users", "groups", "serviceaccounts"}}}},
		{"issue tokens of service accounts", []Right{{Verbs: []string{"create"}, Resources: []string{"serviceaccounts/token"}}}},
		{"run Pods, which can mount every Secret of their namespace", []Right{
			{Verbs: write, Resources: []string{"pods", "replicationcontrollers"}},
			{Verbs: write, Group: "apps", Resources: []string{"deployments", "daemonsets", "statefulsets", "replicasets"}},
			{Verbs: write, Group: "batch", Resources: []string{"cronjobs"}},
			{Verbs: []string{"create"}, Group: "batch", Resources: []string{"jobs"}},
		}},
		{"run commands in Pods", []Right{
			{Verbs: []string{"create", "get"}, Resources: []string{"pods/exec", "pods/attach", "nodes/proxy"}},
			{Verbs: []string{"update", "patch"}, Resources: []string{"pods/ephemeralcontainers"}},
		}},
	}
}
