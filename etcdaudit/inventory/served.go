package inventory

// definitionsPath is where the CustomResourceDefinitions are stored.
const definitionsPath = "apiextensions.k8s.io/customresourcedefinitions"

// Unserved reports whether no API seems to serve a resource any more: it is
// neither one of Kubernetes' own that storedvalue knows, nor does the store hold
// a CustomResourceDefinition of its name. An aggregated API server could still
// serve it, or a kube-apiserver newer than storedvalue.
func (inv *Inventory) Unserved(r *Resource) bool {
	switch {
	case r.Mixed:
		return false
	case !r.Known:
		return true
	case inv.resources[r.Group+"/"+r.Name] != r, r.Group == "apiextensions.k8s.io", r.Group == "apiregistration.k8s.io":
		return false // of Kubernetes' own: only other resources have their group in the path
	default:
		return inv.Has(definitionsPath) && len(inv.definitions) <= maxResources && !inv.definitions[r.String()]
	}
}
