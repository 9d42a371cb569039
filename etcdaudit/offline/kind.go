package offline

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/wal"
)

// kind is what a file is, by its bytes.
type kind uint8

const (
	unknown kind = iota
	empty
	// database is a bbolt file, and snapshot one with the hash behind it that etcd's Snapshot
	// RPC sends.
	database
	snapshot
	// segment is a file of the write-ahead log.
	segment
	// membership is a v2 snapshot (.snap): it has members and no keys.
	membership
	gzipped
	zstandard
	// archived is packed in a way that is not read: zip, xz, bzip2, lz4.
	archived
	// sqlite is what k3s has in place of etcd's database.
	sqlite
	sqliteLog
)

// headSize is how much of a file recognise wants to see, in bytes: with a damaged first meta
// page the second one tells, and pages have up to 64 KiB.
const headSize = 1<<16 + 64

// bbolt's magic number, behind the 16 bytes of a page's header
// (go.etcd.io/bbolt/internal/common/meta.go).
const (
	boltMagic  = 0xED0CDAED
	pageHeader = 16
)

// hashSize is what the Snapshot RPC sends behind the database: its SHA-256
// (etcd/server/etcdserver/api/v3rpc/maintenance.go). A database alone is a number of whole
// pages, and all page sizes are multiples of 512 (etcd/client/v3/snapshot/v3_snapshot.go).
const hashSize = 32

func recognise(name string, head []byte, size int64) kind {
	switch {
	case size == 0:
		return empty
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")), bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte{0x04, 0x22, 0x4d, 0x18}):
		return archived
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return sqlite
	case len(head) >= 4 && binary.BigEndian.Uint32(head)|1 == 0x377f0683:
		return sqliteLog
	case isDatabase(head):
		if size%minimalPage == hashSize {
			return snapshot
		}
		return database
	case isSegment(head) || isSegmentName(name):
		return segment
	case strings.HasSuffix(name, ".snap"):
		return membership
	}
	return unknown
}

// isDatabase looks for either meta page: one of them may be damaged. If both are, it looks for a
// page of the usual size that has its own number.
func isDatabase(head []byte) bool {
	for size := 0; size+pageHeader+4 <= len(head); size = max(512, 2*size) {
		if binary.LittleEndian.Uint32(head[size+pageHeader:]) == boltMagic {
			return true
		}
	}
	for page := 2; page*usualPage+pageHeader <= len(head); page++ {
		if h := head[page*usualPage:]; binary.LittleEndian.Uint64(h) == uint64(page) && slices.Contains(pageFlags(), binary.LittleEndian.Uint16(h[8:])) {
			return true
		}
	}
	return false
}

// pageFlags are those of branch pages, leaves and freelists; a page has one of them.
func pageFlags() []uint16 { return []uint16{0x01, 0x02, 0x10} }

// isSegment reports whether a file begins with a record that holds a checksum, as each segment
// does: 8 bytes of length, then field 1 of walpb.Record with type 4, then field 2.
func isSegment(head []byte) bool {
	return len(head) > 11 && binary.LittleEndian.Uint64(head)&(1<<56-1) < 32 && bytes.HasPrefix(head[8:], []byte{0x08, 0x04, 0x10})
}

// isSegmentName is true for the names of segments and of those that etcd has put aside as
// damaged, and for copies of either that were renamed.
func isSegmentName(name string) bool {
	name = filepath.Base(name)
	return wal.ParseName(name).Kind == wal.Segment || strings.HasSuffix(name, ".wal") || strings.HasSuffix(name, ".wal.broken")
}
