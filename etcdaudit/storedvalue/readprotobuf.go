package storedvalue

import "google.golang.org/protobuf/encoding/protowire"

// Fields of runtime.Unknown, runtime.TypeMeta and meta/v1's ObjectMeta
// (k8s.io/apimachinery: pkg/runtime/generated.proto,
// pkg/apis/meta/v1/generated.proto). In every built-in type the first field is
// the metadata.
const (
	fieldRaw             = 2
	fieldContentEncoding = 3
	fieldContentType     = 4

	fieldAPIVersion = 1
	fieldKind       = 2

	fieldMetadata  = 1
	fieldName      = 1
	fieldNamespace = 3
)

// readProtobuf reads "k8s\x00" and the runtime.Unknown behind it. The API
// server writes every field of it, so the object ends with its content type.
func readProtobuf(b []byte) Object {
	o := Object{Length: len(protobufPrefix)}
	for _, want := range []protowire.Number{fieldTypeMeta, fieldRaw, fieldContentEncoding, fieldContentType} {
		f, ok := nextField(b[o.Length:])
		if !ok || f.num != want || f.typ != protowire.BytesType {
			return o
		}
		sound := true
		switch want {
		case fieldTypeMeta:
			o.readTypeMeta(f.content)
		case fieldRaw:
			// The fields of a large object are walked by their lengths: where
			// other bytes have overwritten it, they no longer add up.
			if n := o.readRaw(f.content); n < len(f.content) {
				f.size, sound = f.head+n, false
			}
		}
		o.Length += f.size
		if !sound || f.cut {
			return o
		}
	}
	o.Complete = true
	return o
}

func (o *Object) readTypeMeta(b []byte) {
	for len(b) > 0 {
		f, ok := nextField(b)
		if !ok || f.cut {
			return
		}
		switch f.num {
		case fieldAPIVersion:
			o.APIVersion = f.content
		case fieldKind:
			o.Kind = f.content
		}
		b = b[f.size:]
	}
}

// readRaw walks the fields of the object itself, and returns how many bytes of
// it are whole fields or the beginning of one that is cut.
func (o *Object) readRaw(b []byte) int {
	read := 0
	for read < len(b) {
		f, ok := nextField(b[read:])
		if !ok {
			return read
		}
		if f.num == fieldMetadata && f.typ == protowire.BytesType && read == 0 {
			o.readMetadata(f.content)
		}
		read += f.size
	}
	return read
}

func (o *Object) readMetadata(b []byte) {
	for len(b) > 0 {
		f, ok := nextField(b)
		if !ok || f.cut || f.num > fieldNamespace {
			return
		}
		switch f.num {
		case fieldName:
			o.Name = f.content
		case fieldNamespace:
			o.Namespace = f.content
		}
		b = b[f.size:]
	}
}

// field is one field of a protobuf message, or as much of it as there is.
type field struct {
	num        protowire.Number
	typ        protowire.Type
	content    []byte // of a BytesType
	head, size int    // bytes before the content, and altogether
	cut        bool
}

// nextField reads one field. Other than protowire, it gives the beginning of a
// content that is cut. ok is false for what is no field of a Kubernetes object.
func nextField(b []byte) (f field, ok bool) {
	var tag, n int
	if f.num, f.typ, tag = protowire.ConsumeTag(b); tag < 0 {
		return field{}, false
	}
	switch f.typ {
	case protowire.VarintType:
		_, n = protowire.ConsumeVarint(b[tag:])
	case protowire.Fixed64Type:
		_, n = protowire.ConsumeFixed64(b[tag:])
	case protowire.BytesType:
		length, size := protowire.ConsumeVarint(b[tag:])
		if size < 0 {
			return field{}, false
		}
		f.head = tag + size
		f.content = b[f.head:]
		if f.cut = length > uint64(len(f.content)); !f.cut {
			f.content = f.content[:length:length]
		}
		n = size + len(f.content)
	default:
		return field{}, false
	}
	f.size = tag + n
	return f, n >= 0
}
