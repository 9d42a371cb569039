package carve

import (
	"bytes"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// look finds out what is at an anchor, and returns where the search goes on.
func (s *search) look(kind int, a anchor) int64 {
	switch {
	case kind == anchorCBOR:
		end, _ := s.unkeyed(source{format: storedvalue.CBOR, start: a.at}, a.at)
		return end
	case kind == anchorProtobuf:
		return s.protobufEnd(a.at)
	case a.text.resource == ofKeys:
		return s.keyed(a.at)
	case a.text.resource == ofType:
		return s.jsonEnd(a.at)
	default:
		return s.ofKind(a)
	}
}

// outer is the last value found by its key that was no hit itself. Other objects
// may be a part of it.
type outer struct {
	start, end int64 // of the value
	key        []byte
	checked    bool // end is where its structure ends, whatever its length says
	// resource is that of the key where the value begins as an encrypted one does. An object of
	// it within the value is then what the value is; -1 for other values.
	resource int
}

// encryptedPrefix is what encrypted values begin with, and those that only claim to be.
const encryptedPrefix = "k8s:enc:"

// keyed looks at a value with its key before it. The key begins at the anchor.
func (s *search) keyed(at int64) int64 {
	before := min(at-s.w.from, maxBeforeKey)
	b := s.w.view(at-before, at+maxKey+maxFields)
	if !bytes.HasPrefix(b[before:], []byte(s.patterns.texts[0].bytes)) {
		return at + 1
	}
	f, ok := readFrame(b, int(before))
	if !ok {
		return at + 1
	}
	value := at + f.value
	s.floor = max(s.floor, value)
	s.key = append(s.key[:0], f.key...)
	key, _ := storedvalue.ParseKey(s.prefix, s.key)
	resource := s.ofPath(key.Path)
	format := storedvalue.Unrecognised
	if resource >= 0 {
		format = storedvalue.PlaintextFormat(s.w.view(value, value+min(f.length, maxHead)))
	}
	if format == storedvalue.Unrecognised {
		if s.enclosing(at) == nil {
			s.outer = outer{start: value, end: value + f.length, key: append(s.outer.key[:0], s.key...), resource: -1}
			if string(s.w.view(value, value+int64(len(encryptedPrefix)))) == encryptedPrefix {
				s.outer.resource = resource
			}
		}
		return value
	}
	if !isKey(s.key) {
		return at + 1 // it is found without its key
	}
	end, whole := s.extent(value, f.length, format)
	h := Hit{
		Resource: s.resources[resource],
		Key:      s.key, Namespace: key.Namespace, Name: key.Name,
		Format: format, Offset: value, Length: f.length, Cut: !whole,
		CreateRevision: f.create, ModRevision: f.mod, Version: f.version,
	}
	if in := s.enclosing(at); in != nil {
		h.Embedded, h.EmbeddedIn = true, in.key
	}
	s.err = s.each(h)
	s.floor = max(s.floor, end)
	return end
}

// maxHead is how much of a value is needed to tell its format, in bytes.
const maxHead = 4096

// extent returns where the value of a hit ends, and whether all of it is there.
// Where other bytes have overwritten it, it ends before them: they are searched.
func (s *search) extent(value, length int64, format storedvalue.Format) (end int64, whole bool) {
	end = value + length
	if last := s.w.view(max(value, end-2), end); end <= s.w.to {
		switch format {
		case storedvalue.JSON:
			whole = bytes.HasSuffix(bytes.TrimSuffix(last, []byte("\n")), []byte("}"))
		case storedvalue.YAML:
			whole = bytes.HasSuffix(last, []byte("\n"))
		}
	}
	if whole {
		return end, true
	}
	o := s.forwards(source{format: format, start: value}, end)
	seen := value + int64(s.limits.object) // of a larger object the end is not looked at
	if read := value + int64(o.Length); read < min(end, s.w.to, seen) {
		return read, false
	}
	return min(end, s.w.to), end <= s.w.to && (o.Complete || seen < end)
}

// enclosing returns the value that the byte at an offset is a part of.
func (s *search) enclosing(at int64) *outer {
	o := &s.outer
	if at < o.start || at >= o.end {
		return nil
	}
	if !o.checked {
		o.checked = true
		if !isKey(o.key) {
			o.end = o.start
			return nil
		}
		end := min(o.end, s.w.to, o.start+int64(s.limits.object))
		format := storedvalue.PlaintextFormat(s.w.view(o.start, min(end, o.start+maxHead)))
		if format != storedvalue.Unrecognised {
			read := o.start + int64(s.forwards(source{format: format, start: o.start}, end).Length)
			if read < end {
				o.end = read
			}
		}
	}
	if at >= o.end {
		return nil
	}
	return o
}
