package storedvalue_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

func TestKeysAreReadAsAPIServersBuildThem(t *testing.T) {
	tests := []struct {
		name, prefix, key         string
		resource, namespace, objN string
		secret                    bool
	}{
		{"a Secret", "/registry", "/registry/secrets/default/db", "secrets", "default", "db", true},
		{"a Secret on OpenShift", "/kubernetes.io", "/kubernetes.io/secrets/default/db", "secrets", "default", "db", true},
		{"a cluster-scoped object", "/registry", "/registry/namespaces/default", "namespaces", "", "default", false},
		{"a node", "/registry", "/registry/minions/n1", "nodes", "", "n1", false},
		{"a service", "/registry", "/registry/services/specs/default/web", "services", "default", "web", false},
		{"endpoints", "/registry", "/registry/services/endpoints/default/web", "endpoints", "default", "web", false},
		{"an ingress", "/registry", "/registry/ingress/default/web", "ingresses.networking.k8s.io", "default", "web", false},
		{"a deployment", "/registry", "/registry/deployments/default/web", "deployments.apps", "default", "web", false},
		{"an event", "/registry", "/registry/events/default/e.1", "events", "default", "e.1", false},
		{"a replication controller", "/registry", "/registry/controllers/default/web", "replicationcontrollers", "default", "web", false},
		{"a custom resource", "/registry", "/registry/cilium.io/ciliumendpoints/default/web", "ciliumendpoints.cilium.io", "default", "web", false},
		{"a cluster-scoped custom resource", "/registry", "/registry/cilium.io/ciliumnodes/n1", "ciliumnodes.cilium.io", "", "n1", false},
		{"a custom resource called secrets", "/registry", "/registry/example.com/secrets/default/db", "secrets.example.com", "default", "db", false},
		{"a CRD", "/registry", "/registry/apiextensions.k8s.io/customresourcedefinitions/a.b.c", "customresourcedefinitions.apiextensions.k8s.io", "", "a.b.c", false},
		{"an RBAC name with a colon", "/registry", "/registry/clusterroles/system:node", "clusterroles.rbac.authorization.k8s.io", "", "system:node", false},
		{"an allocation", "/registry", "/registry/ranges/serviceips", "ranges", "", "serviceips", false},
		{"a name with a slash keeps it", "/registry", "/registry/secrets/a/b/c", "secrets", "a", "b/c", true},
		{"a Secret without namespace is still a Secret", "/registry", "/registry/secrets/db", "secrets", "", "db", true},
		{"a Secret whose name is missing is listed with the others", "/registry", "/registry/secrets/default/", "secrets", "default", "", true},
		{"a Secret without anything", "/registry", "/registry/secrets/", "secrets", "", "", true},
		{"a service without a name", "/registry", "/registry/services/specs/", "services", "", "", false},
		{"a resource of the future", "/registry", "/registry/gizmos/default/x", "gizmos", "default", "x", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, ok := storedvalue.ParseKey(tt.prefix, []byte(tt.key))
			if !ok {
				t.Fatal("not read")
			}
			r := storedvalue.ResourceOf(string(k.Path))
			if r.String() != tt.resource || string(k.Namespace) != tt.namespace || string(k.Name) != tt.objN || k.IsSecret() != tt.secret {
				t.Errorf("got %s %q/%q, Secret %v; want %s %q/%q, %v", r, k.Namespace, k.Name, k.IsSecret(), tt.resource, tt.namespace, tt.objN, tt.secret)
			}
			if known := tt.resource != "gizmos"; r.Known != known {
				t.Errorf("Known = %v", r.Known)
			}
			for _, view := range [][]byte{k.Path, k.Namespace, k.Name} {
				if cap(view) > len(tt.key) {
					t.Error("a copy, not a view")
				}
			}
		})
	}
}

func TestKeysOfAnotherShapeAreRefused(t *testing.T) {
	for _, key := range []string{
		"", "/", "/registry", "/registry/", "/registry/secrets", "/registry//secrets/x",
		"/registry2/secrets/default/db", "/other/secrets/default/db", "/registry/services/specs",
		"/registry/example.com/widgets", "/registry/example.com//x", "compact_rev_key",
	} {
		if k, ok := storedvalue.ParseKey("/registry", []byte(key)); ok {
			t.Errorf("%q was read as %q %q/%q", key, k.Path, k.Namespace, k.Name)
		}
	}
}

// The pairs are those of test/integration/etcd/data.go in k8s.io/kubernetes
// v1.37.1: the place where each resource is stored.
func TestEveryBuiltInResourceIsKnown(t *testing.T) {
	for path, want := range map[string]string{
		"mutatingadmissionpolicies": "mutatingadmissionpolicies.admissionregistration.k8s.io", "mutatingadmissionpolicybindings": "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
		"mutatingwebhookconfigurations": "mutatingwebhookconfigurations.admissionregistration.k8s.io", "validatingadmissionpolicies": "validatingadmissionpolicies.admissionregistration.k8s.io",
		"validatingadmissionpolicybindings": "validatingadmissionpolicybindings.admissionregistration.k8s.io", "validatingwebhookconfigurations": "validatingwebhookconfigurations.admissionregistration.k8s.io",
		"apiregistration.k8s.io/apiservices": "apiservices.apiregistration.k8s.io", "controllerrevisions": "controllerrevisions.apps", "daemonsets": "daemonsets.apps", "deployments": "deployments.apps",
		"replicasets": "replicasets.apps", "statefulsets": "statefulsets.apps", "horizontalpodautoscalers": "horizontalpodautoscalers.autoscaling", "cronjobs": "cronjobs.batch", "jobs": "jobs.batch",
		"certificatesigningrequests": "certificatesigningrequests.certificates.k8s.io", "clustertrustbundles": "clustertrustbundles.certificates.k8s.io", "podcertificaterequests": "podcertificaterequests.certificates.k8s.io",
		"leasecandidates": "leasecandidates.coordination.k8s.io", "leases": "leases.coordination.k8s.io", "endpointslices": "endpointslices.discovery.k8s.io",
		"flowschemas": "flowschemas.flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations": "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
		"storageversions": "storageversions.internal.apiserver.k8s.io", "evictionrequests": "evictionrequests.lifecycle.k8s.io", "evictions": "evictions.lifecycle.k8s.io",
		"ingressclasses": "ingressclasses.networking.k8s.io", "ingress": "ingresses.networking.k8s.io", "ipaddresses": "ipaddresses.networking.k8s.io", "networkpolicies": "networkpolicies.networking.k8s.io",
		"servicecidrs": "servicecidrs.networking.k8s.io", "runtimeclasses": "runtimeclasses.node.k8s.io", "poddisruptionbudgets": "poddisruptionbudgets.policy",
		"clusterrolebindings": "clusterrolebindings.rbac.authorization.k8s.io", "clusterroles": "clusterroles.rbac.authorization.k8s.io", "rolebindings": "rolebindings.rbac.authorization.k8s.io", "roles": "roles.rbac.authorization.k8s.io",
		"deviceclasses": "deviceclasses.resource.k8s.io", "devicetaintrules": "devicetaintrules.resource.k8s.io", "resourceclaims": "resourceclaims.resource.k8s.io",
		"resourceclaimtemplates": "resourceclaimtemplates.resource.k8s.io", "resourcepoolstatusrequests": "resourcepoolstatusrequests.resource.k8s.io", "resourceslices": "resourceslices.resource.k8s.io",
		"compositepodgroups": "compositepodgroups.scheduling.k8s.io", "podgroups": "podgroups.scheduling.k8s.io", "priorityclasses": "priorityclasses.scheduling.k8s.io", "workloads": "workloads.scheduling.k8s.io",
		"csidrivers": "csidrivers.storage.k8s.io", "csinodes": "csinodes.storage.k8s.io", "csistoragecapacities": "csistoragecapacities.storage.k8s.io", "storageclasses": "storageclasses.storage.k8s.io",
		"volumeattachments": "volumeattachments.storage.k8s.io", "volumeattributesclasses": "volumeattributesclasses.storage.k8s.io", "storageversionmigrations": "storageversionmigrations.storagemigration.k8s.io",
		"configmaps": "configmaps", "services/endpoints": "endpoints", "events": "events", "limitranges": "limitranges", "namespaces": "namespaces", "minions": "nodes", "persistentvolumeclaims": "persistentvolumeclaims",
		"persistentvolumes": "persistentvolumes", "pods": "pods", "podtemplates": "podtemplates", "controllers": "replicationcontrollers", "resourcequotas": "resourcequotas", "secrets": "secrets",
		"serviceaccounts": "serviceaccounts", "services/specs": "services",
	} {
		if r := storedvalue.ResourceOf(path); r.String() != want || !r.Known || r.Internal {
			t.Errorf("%s: got %s, known %v, internal %v; want %s", path, r, r.Known, r.Internal, want)
		}
		if r := storedvalue.ResourceOf(path); !storedvalue.Located(r.Group, r.Name) && !strings.Contains(path, ".") {
			t.Errorf("%s is not known to be under %s", r, path)
		}
	}
	if r := storedvalue.ResourceOf("ranges"); !r.Internal {
		t.Error("ranges are the API server's own")
	}
	for _, r := range []storedvalue.Resource{{Group: "example.com", Name: "gizmos"}, {Group: "example.com", Name: "secrets"}, {Name: "deployments"}, {Name: "ingress"}, {Name: "*"}} {
		if storedvalue.Located(r.Group, r.Name) {
			t.Errorf("%s is said to be known", r)
		}
	}
}
