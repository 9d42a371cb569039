// Package carve finds the objects that API servers have stored in etcd in bytes
// without structure: in free pages of a database file, behind the end of a
// write-ahead log, in a file that is damaged. It knows how Kubernetes encodes
// objects and how etcd frames a key with its value. It knows nothing of pages,
// segments or layers.
//
// What it says of an object is where it lies and how it is named. It must never
// give a byte of an object's data away, and it copies none.
package carve

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Resource is a resource whose objects are searched for.
type Resource struct {
	// Path is the part of the etcd key that names it, such as "secrets" or
	// "example.com/widgets". See storedvalue.Key.
	Path string
	// Group is the API group, empty for the core group. Kind is the kind of its
	// objects. Without a kind an object is found only with its key before it.
	Group, Kind string
}

// Secrets is always searched for.
func Secrets() Resource { return Resource{Path: "secrets", Kind: "Secret"} }

// Options say what is searched for.
type Options struct {
	// Prefix of the keys, with a leading and no trailing slash. Empty is
	// "/registry".
	Prefix string
	// Resources beyond Secrets.
	Resources []Resource
}

// Hit is one copy of an object. Its slices are valid until the function that it
// was given to returns.
type Hit struct {
	Resource Resource
	// Key is the etcd key that stands before the value; nil where there is none.
	Key []byte
	// Namespace and Name are of the key, or of the object where there is no key.
	Namespace, Name []byte
	Format          storedvalue.Format
	// Offset of the first byte of the value, and its length in bytes, which is -1
	// if it is not known. Both are of the object where it is Embedded.
	Offset, Length int64
	// Cut is set where the end of the value is not there: it lies beyond the
	// extent, or other bytes have overwritten it.
	Cut bool
	// CreateRevision, ModRevision and Version are 0 where the bytes before the
	// value do not have them. A database file has them, a write-ahead log has not.
	CreateRevision, ModRevision, Version int64
	// Embedded is set where the object is a part of another object, as a Secret
	// in the data of a ConfigMap. EmbeddedIn is the key of the other object; nil
	// if that is not known.
	Embedded   bool
	EmbeddedIn []byte
	// End is set for a fragment: the end of an object without its beginning.
	// Offset is that of what was recognised.
	End bool
}

// Searcher finds objects. It is safe for concurrent use.
type Searcher struct {
	prefix    string
	resources []Resource
	// alike are, of each resource, the kinds that stand where its own does: those that its kind
	// begins with or that begin with it, such as ServiceAccount and Service. The longest is first.
	alike    [][]string
	patterns *patterns
	limits   limits
	searches sync.Pool
}

// limits are the sizes of the search, in bytes. Tests make them small.
type limits struct {
	chunk  int // how much is read at a time
	object int // how much of one object is looked at, in either direction
}

// maxObject is above what etcd accepts as one request unless it is told to
// (1.5 MiB). The end of a larger object is not looked at.
const maxObject = 2 << 20

// New makes a searcher.
func New(o Options) *Searcher {
	s := &Searcher{
		prefix:    cmp.Or(o.Prefix, "/registry"),
		resources: []Resource{Secrets()},
		limits:    limits{chunk: 256 << 10, object: maxObject},
	}
	for _, r := range o.Resources {
		if !slices.ContainsFunc(s.resources, func(have Resource) bool { return have.Path == r.Path }) {
			s.resources = append(s.resources, r)
		}
	}
	for _, r := range s.resources {
		s.alike = append(s.alike, alike(r.Kind, s.resources))
	}
	s.patterns = newPatterns(s.prefix, s.resources)
	return s
}

func alike(kind string, resources []Resource) (all []string) {
	for _, r := range resources {
		if r.Kind != "" && (strings.HasPrefix(r.Kind, kind) || strings.HasPrefix(kind, r.Kind)) && !slices.Contains(all, r.Kind) {
			all = append(all, r.Kind)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}
