package bolt

import (
	"encoding/binary"
	"math"
)

// headerSize and elementSize are those of a page's header, and of an element of a leaf
// or a branch page, in bytes.
const (
	headerSize  = 16
	elementSize = 16
)

// The flags of pages. A page has exactly one of them.
const (
	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10
)

// bucketFlag marks an element of a leaf page whose value is a bucket.
const bucketFlag = 0x01

// maxRun is the largest run of pages that is read, in bytes. etcd refuses requests far
// below it, and a leaf page holds few of such values.
const maxRun = 64 << 20

type header struct {
	id       int64
	flags    uint16
	count    uint16
	overflow int64
}

func parseHeader(b []byte) header {
	_ = b[headerSize-1]
	return header{
		id:       pageNumber(b),
		flags:    binary.LittleEndian.Uint16(b[8:]),
		count:    binary.LittleEndian.Uint16(b[10:]),
		overflow: int64(binary.LittleEndian.Uint32(b[12:])),
	}
}

// heads reports whether a page with this header is the first one of a run: bbolt writes
// none without its own number and one of four flags, of which one is for the first two pages.
func (h header) heads(page, pageSize int64) bool {
	kind := h.flags == flagLeaf || h.flags == flagBranch || h.flags == flagFreelist || h.flags == flagMeta && page < 2
	return kind && h.id == page && h.length(pageSize) <= maxRun
}

// length is that of the whole run in bytes, as the header has it.
func (h header) length(pageSize int64) int64 { return (h.overflow + 1) * pageSize }

// pageNumber reads the number of a page. One that is too large for an offset is made the
// largest number, which is no page's either.
func pageNumber(b []byte) int64 {
	return int64(min(binary.LittleEndian.Uint64(b), math.MaxInt64))
}
