package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Source is what an API server unwraps, and caches, as one (generateCacheKey in
// pkg/storage/value/encrypt/envelope/kmsv2/envelope.go).
type Source struct {
	Type        storedvalue.DEKSourceType
	DEKSource   []byte
	KeyID       string
	Annotations map[string][]byte
}

// ID tells sources apart: the SHA-256 of one encoding of all that they are.
type ID [sha256.Size]byte

// sourceOf copies the source of a KMS v2 value.
func sourceOf(v storedvalue.Value) Source {
	s := Source{Type: v.DEKSourceType, DEKSource: slices.Clone(v.DEKSource), KeyID: string(v.KeyID)}
	for name, value := range v.Annotations() {
		if s.Annotations == nil {
			s.Annotations = map[string][]byte{}
		}
		s.Annotations[string(name)] = slices.Clone(value)
	}
	return s
}

// annotation is one of a value's, as views.
type annotation struct{ name, value []byte }

// encoder writes a source so that no two share an encoding. Its buffers are used
// again, so that it allocates nothing.
type encoder struct {
	annotations []annotation
	encoded     []byte
}

// encode returns the encoding of a value's source, valid until the next call. An
// API server stores annotations in any order; what counts is what they say.
func (e *encoder) encode(v storedvalue.Value) []byte {
	e.annotations = e.annotations[:0]
	for name, value := range v.Annotations() {
		e.annotations = append(e.annotations, annotation{name, value})
	}
	slices.SortStableFunc(e.annotations, func(a, b annotation) int { return bytes.Compare(a.name, b.name) })
	e.encoded = binary.BigEndian.AppendUint32(e.encoded[:0], uint32(v.DEKSourceType)) //nolint:gosec // 0 or 1: Parse sees to it
	e.field(v.DEKSource)
	e.field(v.KeyID)
	for i, a := range e.annotations {
		if i+1 < len(e.annotations) && bytes.Equal(a.name, e.annotations[i+1].name) {
			continue // the last one of a name counts
		}
		e.field(a.name)
		e.field(a.value)
	}
	return e.encoded
}

func (e *encoder) field(b []byte) {
	e.encoded = binary.BigEndian.AppendUint32(e.encoded, uint32(len(b))) //nolint:gosec // Parse bounds every field
	e.encoded = append(e.encoded, b...)
}
