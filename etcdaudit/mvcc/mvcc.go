// Package mvcc reads what etcd's store keeps in the buckets of its database: revisions as
// keys, versions of etcd's keys as values. It knows nothing of files, and nothing of
// Kubernetes. It survives any input: damaged input is the normal case of an audit.
//
// The formats are those of etcd 3.7.3, server/storage/mvcc/revision.go, server/storage/schema
// and api/mvccpb/kv.proto.
package mvcc

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// KeyBucket is the name of the bucket that versions are in.
const KeyBucket = "key"

// The lengths of a key in KeyBucket: 8 bytes of the main revision, '_', 8 bytes of the sub
// revision, both big-endian, and 't' for a tombstone.
const (
	revisionSize  = 17
	tombstoneSize = 18
)

// Revision is when a version was written: Main counts etcd's transactions, Sub what one of
// them changed.
type Revision struct{ Main, Sub int64 }

// ParseRevision reads a key of KeyBucket. It returns false for one that etcd does not write.
func ParseRevision(key []byte) (rev Revision, tombstone, ok bool) {
	if len(key) != revisionSize && len(key) != tombstoneSize || key[8] != '_' || len(key) == tombstoneSize && key[revisionSize] != 't' {
		return Revision{}, false, false
	}
	main, sub := binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[9:])
	if main>>63 != 0 || sub>>63 != 0 {
		return Revision{}, false, false
	}
	return Revision{Main: int64(main), Sub: int64(sub)}, len(key) == tombstoneSize, true
}

// Version is one version of a key. Key and Value are views of the parsed bytes.
type Version struct {
	Key, Value []byte
	// ValueAt is where Value begins within the parsed bytes.
	ValueAt                                     int
	CreateRevision, ModRevision, Version, Lease int64
}

// The fields of mvccpb.KeyValue.
const (
	fieldKey     = 1
	fieldCreate  = 2
	fieldMod     = 3
	fieldVersion = 4
	fieldValue   = 5
	fieldLease   = 6
)

// ParseVersion reads a value of KeyBucket, an mvccpb.KeyValue. Where its end is cut off or
// damaged it returns what stands before that, with the beginning of Value, and false.
func ParseVersion(b []byte) (v Version, ok bool) {
	for at := 0; at < len(b); {
		number, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return v, false
		}
		at += n
		switch kind {
		case protowire.BytesType:
			size, n := protowire.ConsumeVarint(b[at:])
			if n < 0 {
				return v, false
			}
			at += n
			if size > uint64(len(b)-at) { //nolint:gosec // at is within b
				if number == fieldValue {
					v.Value, v.ValueAt = b[at:], at
				}
				return v, false
			}
			end := at + int(size) //nolint:gosec // within b
			switch number {
			case fieldKey:
				v.Key = b[at:end:end]
			case fieldValue:
				v.Value, v.ValueAt = b[at:end:end], at
			}
			at = end
		case protowire.VarintType:
			x, n := protowire.ConsumeVarint(b[at:])
			if n < 0 {
				return v, false
			}
			at += n
			switch signed := int64(x); number { //nolint:gosec // protobuf keeps a negative one so
			case fieldCreate:
				v.CreateRevision = signed
			case fieldMod:
				v.ModRevision = signed
			case fieldVersion:
				v.Version = signed
			case fieldLease:
				v.Lease = signed
			}
		default:
			n := protowire.ConsumeFieldValue(number, kind, b[at:])
			if n < 0 {
				return v, false
			}
			at += n
		}
	}
	return v, len(v.Key) > 0
}
