package storedvalue

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
	r := ResourceOf(name)
	return r.Known && r.Group == group && r.Name == name
}
