package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// What a meta page holds behind its header: magic, version, page size, flags (u32 each),
// root page and sequence of the root bucket, freelist page, high-water mark, transaction
// (u64 each) and the FNV-1a sum of all that.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSummed  = 56
	metaSize    = metaSummed + 8
	noFreelist  = ^uint64(0)
)

// Limits of a page's size in bytes. Every system that bbolt runs on has one of these,
// and they are powers of two.
const (
	minPageSize = 512
	maxPageSize = 64 << 10
)

// Meta is one of the two pages from which a database is read. bbolt writes them in turn.
type Meta struct {
	// Page is 0 or 1.
	Page int64
	// PageSize in bytes.
	PageSize int64
	// Txid is the transaction that wrote it: the greater one is the newer.
	Txid uint64
	// Root is the page that the root bucket starts at.
	Root int64
	// Freelist is the page of the list of free pages, if HasFreelist. etcd writes none.
	Freelist    int64
	HasFreelist bool
	// HighWater is the number of pages that the database has ever used.
	HighWater int64
}

// errNoMagic tells a page that is no meta page from one that is damaged.
var errNoMagic = errors.New("not a meta page of bbolt")

// parseMeta reads the meta page that begins at b.
func parseMeta(page int64, b []byte) (Meta, error) {
	if len(b) < headerSize+metaSize || binary.LittleEndian.Uint32(b[headerSize:]) != metaMagic {
		return Meta{}, errNoMagic
	}
	b = b[headerSize : headerSize+metaSize]
	if v := binary.LittleEndian.Uint32(b[4:]); v != metaVersion {
		return Meta{}, fmt.Errorf("version %d of the format is not known, only %d", v, metaVersion)
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSummed]) // a hash never fails
	if sum.Sum64() != binary.LittleEndian.Uint64(b[metaSummed:]) {
		return Meta{}, errors.New("the checksum does not match")
	}
	size := binary.LittleEndian.Uint32(b[8:])
	if size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return Meta{}, fmt.Errorf("a page size of %d bytes is not possible", size)
	}
	m := Meta{
		Page: page, PageSize: int64(size),
		Root:      pageNumber(b[16:]),
		HighWater: pageNumber(b[40:]),
		Txid:      binary.LittleEndian.Uint64(b[48:]),
	}
	if m.HasFreelist = binary.LittleEndian.Uint64(b[32:]) != noFreelist; m.HasFreelist {
		m.Freelist = pageNumber(b[32:])
	}
	return m, nil
}
