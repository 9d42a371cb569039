package bolt_test

import (
	"encoding/binary"
	"hash/fnv"
)

// The flags of pages, as the format has them.
const (
	branchPage   = 1
	leafPage     = 2
	freelistPage = 16
)

// disk is a database file made by hand.
type disk struct {
	pageSize int
	b        []byte
}

// page returns the bytes from page id on, and makes the file longer for pages of them.
func (d *disk) page(id, pages int) []byte {
	if missing := (id+pages)*d.pageSize - len(d.b); missing > 0 {
		d.b = append(d.b, make([]byte, missing)...)
	}
	return d.b[id*d.pageSize : (id+pages)*d.pageSize]
}

func (d *disk) header(id, flags, count, overflow int) []byte {
	b := d.page(id, overflow+1)
	clear(b)
	binary.LittleEndian.PutUint64(b, uint64(id))
	binary.LittleEndian.PutUint16(b[8:], uint16(flags))
	binary.LittleEndian.PutUint16(b[10:], uint16(count))
	binary.LittleEndian.PutUint32(b[12:], uint32(overflow))
	return b
}

// pagesFor is how many pages a leaf with these pairs needs.
func (d *disk) pagesFor(pairs []pair) int {
	size := 16
	for _, p := range pairs {
		size += 16 + len(p.key) + len(p.value)
	}
	return (size + d.pageSize - 1) / d.pageSize
}

// leaf writes a leaf page; flags are those of its elements, 1 for buckets.
func (d *disk) leaf(id int, flags uint32, pairs ...pair) {
	b := d.header(id, leafPage, len(pairs), d.pagesFor(pairs)-1)
	at := 16 + 16*len(pairs)
	for i, p := range pairs {
		e := b[16+16*i:]
		binary.LittleEndian.PutUint32(e, flags)
		binary.LittleEndian.PutUint32(e[4:], uint32(at-16-16*i))
		binary.LittleEndian.PutUint32(e[8:], uint32(len(p.key)))
		binary.LittleEndian.PutUint32(e[12:], uint32(len(p.value)))
		at += copy(b[at:], p.key)
		at += copy(b[at:], p.value)
	}
}

// branch writes a branch page with keys of four bytes.
func (d *disk) branch(id int, children ...int) {
	b := d.header(id, branchPage, len(children), d.branchPages(children)-1)
	at := 16 + 16*len(children)
	for i, child := range children {
		e := b[16+16*i:]
		binary.LittleEndian.PutUint32(e, uint32(at-16-16*i))
		binary.LittleEndian.PutUint32(e[4:], 4)
		binary.LittleEndian.PutUint64(e[8:], uint64(child))
		binary.BigEndian.PutUint32(b[at:], uint32(i+1))
		at += 4
	}
}

func (d *disk) branchPages(children []int) int {
	return (16 + 20*len(children) + d.pageSize - 1) / d.pageSize
}

// bucket writes the root bucket's page, with one bucket "key" whose tree starts at root.
func (d *disk) bucket(id, root int) {
	value := make([]byte, 16)
	binary.LittleEndian.PutUint64(value, uint64(root))
	d.leaf(id, 1, pair{[]byte("key"), value})
}

// meta writes a meta page without a freelist.
func (d *disk) meta(page int, txid uint64, root, highWater int) {
	b := d.page(page, 1)
	clear(b)
	binary.LittleEndian.PutUint64(b, uint64(page))
	binary.LittleEndian.PutUint16(b[8:], 4)
	m := b[16:]
	binary.LittleEndian.PutUint32(m, 0xED0CDAED)
	binary.LittleEndian.PutUint32(m[4:], 2)
	binary.LittleEndian.PutUint32(m[8:], uint32(d.pageSize))
	binary.LittleEndian.PutUint64(m[16:], uint64(root))
	binary.LittleEndian.PutUint64(m[32:], ^uint64(0))
	binary.LittleEndian.PutUint64(m[40:], uint64(highWater))
	binary.LittleEndian.PutUint64(m[48:], txid)
	binary.LittleEndian.PutUint64(m[56:], checksum(m[:56]))
}

func checksum(b []byte) uint64 {
	sum := fnv.New64a()
	sum.Write(b)
	return sum.Sum64()
}

// metas writes both meta pages.
func (d *disk) metas(root, highWater int) {
	d.meta(0, 2, root, highWater)
	d.meta(1, 1, root, highWater)
}
