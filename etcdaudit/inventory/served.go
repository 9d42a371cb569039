package inventory

// Definitions is where the CustomResourceDefinitions are stored.
const Definitions = "apiextensions.k8s.io/customresourcedefinitions"

// Served is what the store shows of an API that serves a resource.
type Served uint8

const (
	// Apparently: an API seems to serve it.
	Apparently Served = iota
	// Unknown: storedvalue does not know the path. The resource can be an old one
	// of Kubernetes, stored under another name than its own, a new one, or one of
	// another API server.
	Unknown
	// Undefined: it is a custom resource, and its CustomResourceDefinition is not
	// in the store. An aggregated API server could still serve it.
	Undefined
)

// ServedBy says whether an API seems to serve a resource.
func (inv *Inventory) ServedBy(r *Resource) Served {
	switch {
	case r.Mixed:
		return Apparently
	case !r.Known:
		return Unknown
	case inv.resources[r.Group+"/"+r.Name] != r, r.Group == "apiextensions.k8s.io", r.Group == "apiregistration.k8s.io":
		return Apparently // of Kubernetes' own: only other resources have their group in the path
	case !inv.Has(Definitions) && !inv.Has("namespaces"):
		return Apparently // this etcd need not be that of the definitions
	case len(inv.definitions) <= maxResources && !inv.definitions[r.Resource.String()]:
		return Undefined
	default:
		return Apparently
	}
}
