package verify

import (
	"bytes"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
)

// Identity is whether a value holds the object that its etcd key names.
type Identity uint8

const (
	// Unsaid: it was not opened, or its etcd key or the object does not say.
	Unsaid Identity = iota
	// Same: kind, namespace and name are those of the etcd key.
	Same
	// SameName: namespace and name are. The kind of the resource is not known.
	SameName
	// Differs: it holds another object.
	Differs
)

// Kind is a resource, by its path in etcd ("example.com/widgets"), and the kind of its
// objects.
type Kind struct{ Path, Name string }

// Object names an object.
type Object struct{ Kind, Namespace, Name string }

// places knows where API servers store objects of which kind.
type places struct {
	prefixes []string
	kinds    map[string]string   // path to kind
	paths    map[string][]string // and back
}

// newPlaces takes the prefixes of the etcd keys, and kinds of resources that are not
// built in, by their path: "example.com/widgets".
func newPlaces(prefixes []string, kinds map[string]string) *places {
	p := &places{prefixes: prefixes, kinds: map[string]string{}, paths: map[string][]string{}}
	for _, r := range apiresource.BuiltIn() {
		p.add(r.Path, r.Kind)
	}
	p.add(definitionsPath, definitionKind)
	for path, kind := range kinds {
		p.add(path, kind)
	}
	return p
}

func (p *places) add(path, kind string) {
	p.kinds[path] = kind
	p.paths[kind] = append(p.paths[kind], path)
}

// parse splits an etcd key under one of the prefixes.
func (p *places) parse(etcdKey []byte) (key storedvalue.Key, prefix string, ok bool) {
	for _, prefix := range p.prefixes {
		if key, ok := storedvalue.ParseKey(prefix, etcdKey); ok {
			return key, prefix, true
		}
	}
	return storedvalue.Key{}, "", false
}

// identity compares an object with the etcd key that it was found under. Where only the kind
// is not compared, because that of the resource is not known, it returns the resource's path
// as well.
func (p *places) identity(etcdKey []byte, o storedvalue.Object) (id Identity, path []byte) {
	key, prefix, ok := p.parse(etcdKey)
	if !ok {
		return Unsaid, nil
	}
	// OpenShift's own API servers store other resources under the same paths.
	kind := ""
	if len(o.Kind) > 0 && !strings.HasSuffix(prefix, "/openshift.io") {
		kind = p.kinds[string(key.Path)]
	}
	switch {
	case kind != "" && kind != string(o.Kind):
		return Differs, nil
	case len(o.Name) == 0: // as in what an API server keeps for itself
		return Unsaid, nil
	case !bytes.Equal(o.Name, key.Name), !bytes.Equal(o.Namespace, key.Namespace):
		return Differs, nil
	case kind == "":
		return SameName, key.Path
	default:
		return Same, nil
	}
}

// of yields the etcd keys that an object can have been written under, other than the
// one that it was found under: by its own name, the likeliest first.
func (p *places) of(etcdKey []byte, o storedvalue.Object, yield func(place string) bool) {
	name := string(o.Name)
	if len(o.Namespace) > 0 {
		name = string(o.Namespace) + "/" + name
	}
	paths := p.paths[string(o.Kind)]
	prefixes := p.prefixes
	if key, prefix, ok := p.parse(etcdKey); ok {
		paths = append([]string{string(key.Path)}, paths...)
		prefixes = append([]string{prefix}, prefixes...)
	}
	for _, prefix := range prefixes {
		for _, path := range paths {
			if place := prefix + "/" + path + "/" + name; place != string(etcdKey) && !yield(place) {
				return
			}
		}
	}
}
