package carve

import (
	"bytes"
	"context"
	"io"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Object is a Secret within another object. Its slices are views of the value.
type Object struct {
	Namespace, Name []byte
	Format          storedvalue.Format
	// Offset of its first byte in the value, and its length in bytes as it is
	// written there; -1 if its end was not found.
	Offset, Length int64
}

// Within returns the first Secret that is written in the plaintext value of a key of
// another kind, such as a manifest in the data of a ConfigMap or an annotation, or a copy
// of a Secret that is the value itself. It is found in any encoding and as the content of JSON strings, but base64 is
// not decoded, and lines that YAML has folded are not joined. What only names a
// Secret is none.
func Within(value []byte) (o Object, ok bool) {
	if !bytes.Contains(value, []byte(Secrets().Kind)) {
		return Object{}, false // nearly every value is decided here
	}
	s := &search{Searcher: New(Options{})}
	s.w = window{
		r: bytes.NewReader(value), to: int64(len(value)), near: span{buf: value},
		limits: limits{chunk: len(value), object: len(value)},
	}
	s.begin(func(h Hit) error {
		if h.End {
			return nil
		}
		o, ok = Object{h.Namespace, h.Name, h.Format, h.Offset, h.Length}, true
		return io.EOF // the first is enough
	})
	s.outer = outer{end: int64(len(value)), checked: true, resource: -1}
	_ = s.run(context.Background()) // only the function above ends it early
	return o, ok
}
