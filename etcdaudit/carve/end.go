package carve

import (
	"bytes"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// The end of a Secret is found where its beginning was overwritten: the tail of a
// large value in pages that are used again. In protobuf and JSON a Secret ends
// with its type, in YAML with its kind and names. In CBOR it ends with what every
// object ends with.

const (
	jsonType = `"type":"`
	// maxType is the longest type of a Secret that is recognised, in bytes.
	maxType = 128
)

// protobufEnd looks at the end of an object in protobuf: the type is the last
// field but for the one that says whether the Secret is immutable.
func (s *search) protobufEnd(at int64) int64 {
	const (
		tagType      = 3<<3 | 2
		tagImmutable = 5 << 3
	)
	next := at + int64(len(protobufTail))
	b := s.w.view(at-maxType-4, at)
	after := 0
	if n := len(b) - 2; n >= 0 && b[n] == tagImmutable && b[n+1] <= 1 {
		b, after = b[:n], 2
	}
	start := len(b)
	for start > 0 && typeByte(b[start-1]) {
		start--
	}
	// The length before the type may look like a part of it.
	for ; start < len(b); start++ {
		name := b[start:]
		if start >= 2 && int(b[start-1]) == len(name) && b[start-2] == tagType && secretType(name) {
			found := at - int64(after+len(name))
			if !s.begun(storedvalue.Protobuf, next) {
				s.fragment(storedvalue.Protobuf, found, storedvalue.Object{})
			}
			break
		}
	}
	return next
}

// begun reports whether an object that ends at an offset begins in the extent. It
// is then another object than a Secret: of one that is whole, the end is not
// looked at.
func (s *search) begun(format storedvalue.Format, end int64) bool {
	start := s.backwards(end, func(b []byte, _ bool) int {
		if format == storedvalue.JSON {
			return jsonHead(bytes.TrimSuffix(b, []byte("}\n")))
		}
		return bytes.LastIndex(b, []byte(protobufMagic))
	})
	if start < 0 {
		return false
	}
	s.spent += end - start
	o := s.forwards(source{format: format, start: start}, end)
	return o.Complete && start+int64(o.Length) == end
}

// jsonEnd looks at a field that can be the last one of a Secret in JSON.
func (s *search) jsonEnd(at int64) int64 {
	next := at + int64(len(jsonType))
	b, ok := bytes.CutPrefix(s.w.view(at, next+maxType+3), []byte(jsonType))
	name, after, found := bytes.Cut(b, []byte(`"`))
	end := next + int64(len(name)) + 3
	if ok && found && bytes.HasPrefix(after, []byte("}\n")) && secretType(name) && !s.begun(storedvalue.JSON, end) {
		s.fragment(storedvalue.JSON, at, storedvalue.Object{})
	}
	return next
}

// yamlEnd looks at the field kind of an object in YAML of which the beginning is
// not there.
func (s *search) yamlEnd(field, next int64) int64 {
	o := s.forwards(source{format: storedvalue.YAML, start: field}, field+s.reach())
	end := field + int64(o.Length)
	if string(o.Kind) != Secrets().Kind || !namesOf(0, o) || end < next || !s.fragment(storedvalue.YAML, field, o) {
		s.spent += int64(o.Length)
		return next
	}
	return end
}

// fragment gives the end of a Secret that begins elsewhere.
func (s *search) fragment(format storedvalue.Format, at int64, o storedvalue.Object) bool {
	if s.outer.start <= at && at < s.outer.end {
		return false // it can be a part of that object
	}
	s.err = s.each(Hit{
		Resource: Secrets(), Format: format, Offset: at, Length: -1, End: true,
		Namespace: o.Namespace, Name: o.Name,
	})
	return true
}

// secretType reports whether a text can be the type of a Secret: Opaque, or one
// with a domain before it.
func secretType(b []byte) bool {
	if string(b) == "Opaque" {
		return true
	}
	slash := bytes.IndexByte(b, '/')
	if slash <= 0 || bytes.IndexByte(b[:slash], '.') < 0 {
		return false
	}
	for _, c := range b {
		if !typeByte(c) {
			return false
		}
	}
	return true
}

func typeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '/' || c == '-' || c == '_'
}
