package storedvalue

import (
	"bytes"
	"strings"
)

// Key is where an API server stored an object. Its slices are views of the
// parsed key.
type Key struct {
	// Path is what follows the prefix and identifies the resource: "secrets",
	// "services/specs", "example.com/widgets". See Resource.
	Path []byte
	// Namespace is empty for cluster-scoped objects.
	Namespace []byte
	Name      []byte

	openShift bool // under the prefix of OpenShift's own API servers
}

// ParseKey splits an etcd key as an API server builds it: prefix, resource,
// namespace where there is one, name, with slashes between. The prefix has a
// leading and no trailing slash ("/registry", or "/kubernetes.io" and
// "/openshift.io" on OpenShift). The name is empty where nothing follows the
// last slash; an API server builds no such key, but its LIST reads it. A key of
// another shape gives false.
func ParseKey(prefix string, key []byte) (Key, bool) {
	if !hasPrefix(key, prefix) || len(key) == len(prefix) || key[len(prefix)] != '/' {
		return Key{}, false
	}
	rest := key[len(prefix)+1:]

	path := bytes.IndexByte(rest, '/')
	if path <= 0 {
		return Key{}, false
	}
	k := Key{openShift: openShift(prefix)}
	for parts := k.parts(rest[:path]); parts > 1; parts-- {
		next := bytes.IndexByte(rest[path+1:], '/')
		if next <= 0 {
			return Key{}, false
		}
		path += 1 + next
	}
	k.Path, k.Name = rest[:path:path], rest[path+1:]
	if slash := bytes.IndexByte(k.Name, '/'); slash >= 0 {
		k.Namespace, k.Name = k.Name[:slash:slash], k.Name[slash+1:]
	}
	return k, true
}

// parts is the number of parts that a path has, by its first. A resource of the
// API server's own groups has one, whatever its group. Custom and aggregated
// resources have group and resource, and their groups always contain a dot.
// Services share one first part.
func (k Key) parts(first []byte) int {
	switch {
	case bytes.IndexByte(first, '.') >= 0, string(first) == "services":
		return 2
	case k.openShift:
		return openShiftParts(first)
	default:
		return 1
	}
}

// Resource returns the resource that the key's object is of.
func (k Key) Resource() Resource {
	if k.openShift {
		if r, ok := openShiftResource(string(k.Path)); ok {
			return r
		}
	}
	return ResourceOf(string(k.Path))
}

// IsSecret reports whether the key holds a core Secret.
func (k Key) IsSecret() bool { return string(k.Path) == "secrets" }

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

// ResourceOf returns the resource that a kube-apiserver stores under a path. The
// resources are those of Kubernetes 1.36 and 1.37
// (test/integration/etcd/data.go of k8s.io/kubernetes), which includes those of
// older versions that are still stored in the same place.
func ResourceOf(path string) Resource {
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
