package storedvalue_test

import (
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
			r := k.Resource()
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
