package carve

import (
	"bytes"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// ofPath returns the index of the resource that is stored under a path.
func (s *search) ofPath(path []byte) int {
	for i := range s.resources {
		if string(path) == s.resources[i].Path {
			return i
		}
	}
	return -1
}

// ofType returns the index of the resource that an object is of.
func (s *search) ofType(o storedvalue.Object) int {
	group, _, grouped := bytes.Cut(o.APIVersion, []byte("/"))
	if !grouped {
		group = nil
	}
	for i := range s.resources {
		r := &s.resources[i]
		if r.Kind != "" && string(o.Kind) == r.Kind && string(group) == r.Group && len(o.APIVersion) > 0 {
			return i
		}
	}
	return -1
}

// isKey reports whether text can be a key of an API server. Behind a key there are
// bytes that none has: a damaged length must not make data a part of it.
func isKey(text []byte) bool {
	for _, c := range text {
		if c <= ' ' || c == '"' || c == '\\' || c == 0x7f {
			return false
		}
	}
	return true
}

// maxName is the longest name that API servers accept, in bytes.
const maxName = 253

// namesOf reports whether an object's names are ones that an API server accepts:
// where an object is damaged, data can stand in their place. Those of Secrets are
// DNS names, which base64 and most passwords are not.
func namesOf(resource int, o storedvalue.Object) bool {
	if len(o.Name) == 0 || len(o.Name) > maxName || len(o.Namespace) > maxName {
		return false
	}
	if resource != 0 {
		return isKey(o.Name) && isKey(o.Namespace)
	}
	return isDNS(o.Name) && isDNS(o.Namespace)
}

func isDNS(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
