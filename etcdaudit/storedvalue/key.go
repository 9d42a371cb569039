package storedvalue

import (
	"bytes"
	"strings"

	"github.com/sealproof/sealproof/internal/apiresource"
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
func (k Key) Resource() apiresource.Resource {
	if k.openShift {
		if r, ok := apiresource.OfOpenShift(string(k.Path)); ok {
			return r
		}
	}
	return apiresource.Of(string(k.Path))
}

// IsSecret reports whether the key holds a core Secret.
func (k Key) IsSecret() bool { return string(k.Path) == "secrets" }

// openShift reports whether a prefix is that of OpenShift's own API servers.
// Their paths mean something else under another prefix.
func openShift(prefix string) bool { return strings.HasSuffix(prefix, "/openshift.io") }

// openShiftParts is the number of parts of a path under OpenShift's prefix, by
// its first.
func openShiftParts(first []byte) int {
	switch string(first) {
	case "oauth", "registry":
		return 2
	case "authorization":
		return 3
	default:
		return 1
	}
}
