package storedvalue

import (
	"encoding/binary"
	"math"
)

// Major types of CBOR (RFC 8949 section 3.1).
const (
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7
)

// readCBOR reads an object in CBOR as apimachinery writes it: a self-described
// map, strings and the names of fields as byte strings, no indefinite lengths
// (pkg/runtime/serializer/cbor). The order of the fields is not relied on.
func readCBOR(b []byte) Object {
	o := Object{Length: len(cborPrefix)}
	c := cborCursor{b: b, at: o.Length}
	o.Complete = c.mapping(func(name []byte) bool {
		o.Data = o.Data || isData(name)
		if string(name) == "metadata" {
			return c.mapping(func(name []byte) bool { return c.value(name, o.setMeta) })
		}
		return c.value(name, o.set)
	})
	o.Length = c.at
	return o
}

// cborCursor reads items one after the other. It stands behind the last byte
// that was understood.
type cborCursor struct {
	b  []byte
	at int
}

// head reads the first bytes of an item: its type and its number, which is a
// length, a count or a value.
func (c *cborCursor) head() (major byte, number uint64, ok bool) {
	rest := c.b[c.at:]
	if len(rest) == 0 {
		return 0, 0, false
	}
	major, number = rest[0]>>5, uint64(rest[0]&0x1f)
	size := 1
	if number >= 24 {
		if number > 27 {
			return 0, 0, false // reserved, or of indefinite length
		}
		size += 1 << (number - 24)
		if len(rest) < size {
			return 0, 0, false
		}
		var wide [8]byte
		copy(wide[8-(size-1):], rest[1:size])
		number = binary.BigEndian.Uint64(wide[:])
	}
	c.at += size
	return major, number, true
}

// text reads an item that is a string of bytes or text.
func (c *cborCursor) text() (text []byte, ok bool) {
	start := c.at
	major, number, ok := c.head()
	if !ok || major != cborBytes && major != cborText || number > uint64(len(c.b)-c.at) { //nolint:gosec // at is within b
		c.at = start
		return nil, false
	}
	end := c.at + int(number) //nolint:gosec // not above the length of b
	text, c.at = c.b[c.at:end:end], end
	return text, true
}

// mapping reads a map, or skips another item. each is called with the cursor at
// the value of each field, and reads it.
func (c *cborCursor) mapping(each func(name []byte) bool) bool {
	if c.at == len(c.b) || c.b[c.at]>>5 != cborMap {
		return c.skip()
	}
	_, fields, ok := c.head()
	if !ok {
		return false
	}
	for ; fields > 0; fields-- {
		name, ok := c.text()
		if !ok || !each(name) {
			return false
		}
	}
	return true
}

// value reads the value of a field, and keeps it if it is a string.
func (c *cborCursor) value(name []byte, keep func(name, text []byte)) bool {
	if text, ok := c.text(); ok {
		keep(name, text)
		return true
	}
	return c.skip()
}

// skip passes over one item with all that is in it. It counts the items that
// are still to come in place of descending: a hostile value nests without end.
func (c *cborCursor) skip() bool {
	for items := uint64(1); items > 0; items-- {
		major, number, ok := c.head()
		if !ok {
			return false
		}
		switch major {
		case cborBytes, cborText:
			if number > uint64(len(c.b)-c.at) { //nolint:gosec // at is within b
				c.at = len(c.b)
				return false
			}
			c.at += int(number) //nolint:gosec // not above the length of b
		case cborArray, cborMap:
			if number > math.MaxUint32 {
				return false
			}
			items += number * uint64(major-cborArray+1)
		case cborTag:
			items++
		case cborSimple:
			// Floats have their bits in the number.
		}
	}
	return true
}
