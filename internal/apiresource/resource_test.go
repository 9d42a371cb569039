package apiresource_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/internal/apiresource"
)

// The pairs are those of test/integration/etcd/data.go in k8s.io/kubernetes
// v1.37.1: the place where each resource is stored.
func TestEveryBuiltInResourceIsKnown(t *testing.T) {
	paths := map[string]string{
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
	}
	for _, r := range apiresource.BuiltIn() {
		if paths[r.Path] != r.String() {
			t.Errorf("%s is %s, not %s", r.Path, r, paths[r.Path])
		}
	}
	if n := len(apiresource.BuiltIn()); n != len(paths) {
		t.Errorf("%d built-in resources, and %d paths", n, len(paths))
	}
	for path, want := range paths {
		if r := apiresource.Of(path); r.String() != want || !r.Known || r.Internal {
			t.Errorf("%s: got %s, known %v, internal %v; want %s", path, r, r.Known, r.Internal, want)
		}
		if r := apiresource.Of(path); !apiresource.Located(r.Group, r.Name) && !strings.Contains(path, ".") {
			t.Errorf("%s is not known to be under %s", r, path)
		}
	}
	if r := apiresource.Of("ranges"); !r.Internal {
		t.Error("ranges are the API server's own")
	}
	for _, r := range []apiresource.Resource{{Group: "example.com", Name: "gizmos"}, {Group: "example.com", Name: "secrets"}, {Name: "deployments"}, {Name: "ingress"}, {Name: "*"}} {
		if apiresource.Located(r.Group, r.Name) {
			t.Errorf("%s is said to be known", r)
		}
	}
}

// client-go knows every built-in kind but the aggregator's.
func TestEveryBuiltInKindIsTheOneOfItsResource(t *testing.T) {
	kinds := map[string]bool{}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		kinds[plural.GroupResource().String()+" "+gvk.Kind] = true
	}
	kinds["apiservices.apiregistration.k8s.io APIService"] = true
	for _, r := range apiresource.BuiltIn() {
		if !kinds[r.String()+" "+r.Kind] {
			t.Errorf("%s is no kind of %s", r.Kind, r)
		}
	}
}
