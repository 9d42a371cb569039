package carve

import "google.golang.org/protobuf/encoding/protowire"

// maxKey is the longest key that is read, in bytes. The names in a key of an API
// server have at most 253 bytes each.
const maxKey = 2048

// frame is a key with its value, as etcd writes them: mvccpb.KeyValue in a
// database file, etcdserverpb.PutRequest in a write-ahead log (etcd's
// api/mvccpb/kv.proto and api/etcdserverpb/rpc.proto).
type frame struct {
	key []byte
	// value is how many bytes after the beginning of the key the value begins,
	// length how many it has.
	value, length        int64
	create, mod, version int64
}

// Fields of KeyValue and PutRequest. The key is the first of both.
const (
	tagKey = 1<<3 | byte(protowire.BytesType)

	fieldPutValue = 2

	fieldCreate  = 2
	fieldMod     = 3
	fieldVersion = 4
	fieldValue   = 5
	fieldLease   = 6
)

// maxBeforeKey is how many bytes of a frame are before the key: the tag and a
// length of two bytes.
const maxBeforeKey = 3

// maxFields is how long the fields between key and value are at most.
const maxFields = 4*(1+10) + 1 + 10

// readFrame reads the frame around a key that begins at b[at].
func readFrame(b []byte, at int) (frame, bool) {
	for size := 1; size < maxBeforeKey && size < at; size++ {
		if b[at-size-1] != tagKey {
			continue
		}
		length, n := protowire.ConsumeVarint(b[at-size : at])
		if n != size || length > maxKey || length > uint64(len(b)-at) { //nolint:gosec // at is within b
			continue
		}
		f := frame{key: b[at : at+int(length)]}
		if f.fields(b[at+len(f.key):]) {
			return f, true
		}
	}
	return frame{}, false
}

// fields reads what follows the key, up to the value.
func (f *frame) fields(b []byte) bool {
	for at := 0; ; {
		num, typ, tag := protowire.ConsumeTag(b[at:])
		if tag < 0 {
			return false
		}
		number, n := protowire.ConsumeVarint(b[at+tag:])
		if n < 0 || number > 1<<62 {
			return false
		}
		first := at == 0
		at += tag + n
		switch signed := int64(number); {
		case typ == protowire.BytesType && (num == fieldPutValue && first || num == fieldValue && !first):
			f.value, f.length = int64(len(f.key)+at), signed
			return true
		case typ != protowire.VarintType:
			return false
		case num == fieldCreate:
			f.create = signed
		case num == fieldMod:
			f.mod = signed
		case num == fieldVersion:
			f.version = signed
		case num != fieldLease:
			return false
		}
	}
}
