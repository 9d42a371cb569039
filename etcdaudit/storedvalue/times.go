package storedvalue

import (
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Times are when an object in plaintext says that it was written, in seconds since 1970; 0
// where it does not say it. The API server cuts them to whole seconds.
type Times struct {
	// Created is its creationTimestamp, which the API server sets whatever a client sends.
	// Changed is the newest time in its managedFields, which the API server sets where fields
	// are changed, and never where an object is written again as it is.
	Created, Changed int64
}

// Fields of ObjectMeta, ManagedFieldsEntry, Time, and of a Lease and its spec
// (k8s.io/apimachinery pkg/apis/meta/v1/generated.proto, k8s.io/api
// coordination/v1/generated.proto).
const (
	fieldCreationTimestamp = 8
	fieldManagedFields     = 17
	fieldManagedTime       = 4
	fieldSeconds           = 1
	fieldLeaseSpec         = 2
	fieldRenewTime         = 4
)

// ReadTimes reads when an object in plaintext says that it was written. As for ReadObject the
// bytes may be cut or damaged.
func ReadTimes(value []byte) (t Times) {
	if plaintextFormat(value[:min(len(value), maxYAMLHead)]) != Protobuf {
		o, _ := ReadObject(value)
		return Times{Created: seconds(o.created), Changed: seconds(o.changed)}
	}
	for f := range fieldsOf(rawOf(value), fieldMetadata) {
		for f := range fieldsOf(f, fieldCreationTimestamp) {
			t.Created = secondsOf(f)
		}
		for f := range fieldsOf(f, fieldManagedFields) {
			for f := range fieldsOf(f, fieldManagedTime) {
				t.Changed = max(t.Changed, secondsOf(f))
			}
		}
		break // fields of that number in another message may be anything
	}
	return t
}

// ReadRenewTime reads the renewTime of a Lease in protobuf, in seconds since 1970; 0 where
// there is none.
func ReadRenewTime(value []byte) (renewed int64) {
	if !hasPrefix(value, protobufPrefix) {
		return 0
	}
	for f := range fieldsOf(rawOf(value), fieldLeaseSpec) {
		for f := range fieldsOf(f, fieldRenewTime) {
			renewed = secondsOf(f)
		}
	}
	return renewed
}

// rawOf is the object itself within a runtime.Unknown.
func rawOf(value []byte) (raw []byte) {
	for f := range fieldsOf(value[len(protobufPrefix):], fieldRaw) {
		return f
	}
	return nil
}

// fieldsOf gives the contents of the fields of a number, up to the first that is damaged. Of one
// that is cut it gives the beginning.
func fieldsOf(b []byte, number protowire.Number) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			f, ok := nextField(b)
			if !ok || f.num == number && f.typ == protowire.BytesType && !yield(f.content) {
				return
			}
			b = b[f.size:]
		}
	}
}

// secondsOf reads a Time.
func secondsOf(b []byte) int64 {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || num != fieldSeconds || typ != protowire.VarintType {
		return 0
	}
	x, n := protowire.ConsumeVarint(b[n:])
	if n < 0 || x > math.MaxUint32 { // no API server is that old, or from beyond the year 2106
		return 0
	}
	return int64(x)
}

func seconds(text []byte) int64 {
	if len(text) == 0 {
		return 0
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if s := t.Unix(); err == nil && s > 0 && s <= math.MaxUint32 {
		return s
	}
	return 0
}
