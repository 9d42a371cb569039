// Package apiresource knows the resources of Kubernetes' API: to which group each
// belongs, under which path an API server stores it, and which API server that is.
// It does no I/O.
package apiresource

import "strings"

// Resource is a Kubernetes API resource as an EncryptionConfiguration names it.
type Resource struct {
	Group string // empty for the core group
	Name  string // plural, lower case
	// Known is false when the path is not one of the API server's own
	// resources that this package knows and carries no group: the group is then
	// not known, rather than core.
	Known bool
	// Internal is set for what the API server keeps for itself (addresses,
	// allocations, leases of masters). It has no REST API, and no entry of an
	// EncryptionConfiguration reaches it, not even "*.*".
	Internal bool
	// Server is the API server that stores it, where several share a prefix:
	// OpenShiftAPIServer or OAuthAPIServer, else empty.
	Server string
}

// String returns "name" or "name.group".
func (r Resource) String() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

// Of returns the resource that a kube-apiserver stores under a path. The
// resources are those of Kubernetes 1.36 and 1.37
// (test/integration/etcd/data.go of k8s.io/kubernetes), which includes those of
// older versions that are still stored in the same place.
func Of(path string) Resource {
	if group, name, ok := strings.Cut(path, "/"); ok && strings.Contains(group, ".") {
		return Resource{Group: group, Name: name, Known: true}
	}
	switch path {
	// Where the path is not the resource's name
	// (pkg/kubeapiserver/default_storage_factory_builder.go).
	case "controllers":
		return Resource{Name: "replicationcontrollers", Known: true}
	case "minions":
		return Resource{Name: "nodes", Known: true}
	case "services/endpoints":
		return Resource{Name: "endpoints", Known: true}
	case "services/specs":
		return Resource{Name: "services", Known: true}
	case "ingress":
		return Resource{Group: "networking.k8s.io", Name: "ingresses", Known: true}

	// Events of both groups are stored as core events.
	case "configmaps", "events", "limitranges", "namespaces", "persistentvolumeclaims",
		"persistentvolumes", "pods", "podtemplates", "resourcequotas", "secrets", "serviceaccounts":
		return Resource{Name: path, Known: true}

	case "masterleases", "peerserverleases", "ranges":
		return Resource{Name: path, Known: true, Internal: true}
	}
	if group := groupOf(path); group != "" {
		return Resource{Group: group, Name: path, Known: true}
	}
	return Resource{Name: path}
}

func groupOf(path string) string {
	switch path {
	case "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations",
		"validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations":
		return "admissionregistration.k8s.io"
	case "controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets":
		return "apps"
	case "horizontalpodautoscalers":
		return "autoscaling"
	case "cronjobs", "jobs":
		return "batch"
	case "certificatesigningrequests", "clustertrustbundles", "podcertificaterequests":
		return "certificates.k8s.io"
	case "leasecandidates", "leases":
		return "coordination.k8s.io"
	case "endpointslices":
		return "discovery.k8s.io"
	case "flowschemas", "prioritylevelconfigurations":
		return "flowcontrol.apiserver.k8s.io"
	case "storageversions":
		return "internal.apiserver.k8s.io"
	case "evictionrequests", "evictions":
		return "lifecycle.k8s.io"
	case "ingressclasses", "ipaddresses", "networkpolicies", "servicecidrs":
		return "networking.k8s.io"
	case "runtimeclasses":
		return "node.k8s.io"
	case "poddisruptionbudgets":
		return "policy"
	case "clusterrolebindings", "clusterroles", "rolebindings", "roles":
		return "rbac.authorization.k8s.io"
	case "deviceclasses", "devicetaintrules", "resourceclaims", "resourceclaimtemplates",
		"resourcepoolstatusrequests", "resourceslices":
		return "resource.k8s.io"
	case "compositepodgroups", "podgroups", "priorityclasses", "workloads":
		return "scheduling.k8s.io"
	case "csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments",
		"volumeattributesclasses":
		return "storage.k8s.io"
	case "storageversionmigrations":
		return "storagemigration.k8s.io"
	default:
		return ""
	}
}

// Located reports whether it is known under which path a resource is stored. A
// resource of another API server, aggregated into the cluster, can be anywhere.
func Located(group, name string) bool {
	if OpenShiftServer(group) != "" {
		return true
	}
	switch group {
	case "":
		switch name {
		case "endpoints", "nodes", "replicationcontrollers", "services":
			return true
		}
	case "networking.k8s.io":
		if name == "ingresses" {
			return true
		}
	}
	r := Of(name)
	return r.Known && r.Group == group && r.Name == name
}
