package carve

import (
	"bytes"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// ofKind looks at an object of which the kind is at the anchor: the one that was found there, or
// another one that begins in the same way.
func (s *search) ofKind(a anchor) int64 {
	for _, kind := range s.alike[a.text.resource] {
		if next := s.ofThisKind(a, kind); next > a.at+1 {
			return next
		}
	}
	return a.at + 1
}

func (s *search) ofThisKind(a anchor, kind string) int64 {
	at := a.at + int64(a.text.skip)
	next := at + int64(len(kind))
	lo := max(at-maxBeforeKind, s.floor)
	b := s.w.view(lo, next+maxAfterKind)
	i := int(at - lo)
	if i < 0 || len(b) < i+len(kind) || string(b[i:i+len(kind)]) != kind {
		return a.at + 1
	}
	before, after := b[:i], b[i+len(kind):]
	if start := protobufHead(before, len(kind)); start >= 0 {
		end, _ := s.unkeyed(source{format: storedvalue.Protobuf, start: lo + int64(start)}, at)
		return max(next, end)
	}
	if escaped, ok := jsonKind(before); ok {
		if start := s.backwards(at, func(b []byte, _ bool) int { return jsonHead(b) }); start >= 0 {
			end, _ := s.unkeyed(source{format: storedvalue.JSON, start: start, text: storedvalue.YAMLText{Escaped: escaped}}, at)
			return max(next, end)
		}
		return next
	}
	if field := yamlKind(before); field >= 0 {
		field := lo + int64(field)
		text, after := storedvalue.YAMLText{}, escapedLineEnd(after)
		start := s.backwards(field, func(b []byte, all bool) (start int) {
			start, text = yamlHead(b, after, all)
			return start
		})
		if start >= 0 {
			end, ok := s.unkeyed(source{format: storedvalue.YAML, start: start, text: text}, at)
			if ok {
				return end
			}
		}
		if text == (storedvalue.YAMLText{}) {
			return s.yamlEnd(field, next)
		}
		return next
	}
	return a.at + 1
}

const (
	// maxBeforeKind is how far before its kind an object in protobuf can begin, in
	// bytes: an API group has at most 253.
	maxBeforeKind = 320
	// maxAfterKind is how much of the text behind a kind is needed to see how its
	// lines end.
	maxAfterKind = 1 << maxEscaped
)

// hostileReach is how much of an object is looked at, in bytes, once so much was
// looked at in vain that the bytes must be made for it.
const hostileReach = 512

// firstView is how much of an object is read at first, in bytes. Nearly every one
// is smaller; of others eight times as much is read, until it is enough.
const firstView = 4096

// backwards looks for the beginning of an object in the bytes before an offset;
// -1 if it is not there. head returns where it is in b, or -1, and is told whether
// b is all there is.
func (s *search) backwards(at int64, head func(b []byte, all bool) int) (start int64) {
	first := max(s.floor, at-s.reach())
	for size := int64(firstView); ; size *= 8 {
		lo := max(first, at-size)
		b := s.w.view(lo, at)
		if start := head(b, lo == first); start >= 0 {
			return lo + int64(start)
		}
		if lo == first {
			s.spent += int64(len(b))
			return -1
		}
	}
}

// forwards reads an object from its beginning, up to an offset.
func (s *search) forwards(src source, end int64) storedvalue.Object {
	end = min(end, s.w.to, src.start+int64(s.limits.object))
	for size := int64(firstView); ; size *= 8 {
		b, all := s.w.near.show(src.start, end) // costs nothing
		if !all {
			b = s.w.view(src.start, min(end, src.start+size))
		}
		o := src.read(b)
		if all || o.Length < len(b) || src.start+size >= end {
			return o
		}
	}
}

// reach is how far an object is looked for, in either direction, that can prove to
// be none. Without a bound for all of them together, a file made for it would be
// read a million times.
func (s *search) reach() int64 {
	if s.spent > 4*(s.w.pos-s.w.from)+int64(s.limits.object) {
		return hostileReach
	}
	return int64(s.limits.object)
}

// protobufHead returns where an object in protobuf begins whose kind follows b;
// -1 if it is none.
func protobufHead(b []byte, kind int) int {
	if len(b) < 2 || b[len(b)-2] != 0x12 || int(b[len(b)-1]) != kind {
		return -1
	}
	return bytes.LastIndex(b, []byte(protobufMagic))
}

// source is how an object is written that was found by its kind.
type source struct {
	format storedvalue.Format
	start  int64
	text   storedvalue.YAMLText // of JSON only how often it is escaped
}

// read reads an object that b begins with.
func (src source) read(b []byte) storedvalue.Object {
	switch src.format {
	case storedvalue.JSON:
		return storedvalue.ReadJSON(b, src.text.Escaped)
	case storedvalue.YAML:
		return storedvalue.ReadYAML(b, src.text)
	default:
		o, _ := storedvalue.ReadObject(b)
		return o
	}
}

// unkeyed looks at an object whose key was not found, or which is a part of
// another one. Its kind is at an offset, or behind it. It returns where the object
// ends, if it is one that is searched for.
func (s *search) unkeyed(src source, kind int64) (end int64, ok bool) {
	in := s.enclosing(src.start)
	o := s.forwards(src, src.start+s.reach())
	end = src.start + int64(o.Length)
	resource := s.ofType(o)
	if resource < 0 || end <= kind || !namesOf(resource, o) {
		s.spent += kind - src.start + int64(o.Length)
		return 0, false
	}
	h := Hit{
		Resource: s.resources[resource], Namespace: o.Namespace, Name: o.Name,
		Format: src.format, Offset: src.start, Length: -1, Cut: !o.Complete,
	}
	if o.Complete {
		h.Length = int64(o.Length)
	}
	switch {
	case in == nil:
		h.Embedded = src.text != storedvalue.YAMLText{}
	case in.start == src.start, in.resource == resource:
		h.Key = in.key // a key under which no such object is expected, or a claim to be encrypted
	default:
		h.Embedded, h.EmbeddedIn = true, in.key
	}
	if h.Embedded && src.format != storedvalue.Protobuf && src.format != storedvalue.CBOR && !o.Data {
		s.spent += kind - src.start + int64(o.Length)
		return 0, false // it refers to a Secret, and reveals none
	}
	s.err = s.each(h)
	s.floor = max(s.floor, end)
	return end, true
}
