package bolt

import "encoding/binary"

// Leaf is a leaf page with the pages that continue it. It is a view: it belongs to the
// reader that made it, and is valid until the function it was given to returns, or, of Walk,
// until done is called. It must not be changed.
type Leaf struct {
	// Page is the number of the first page. Of an inline bucket it is 0: that lies
	// within a value of another page.
	Page int64
	// Offset of the page in the file, in bytes.
	Offset int64

	elements elements
	// bad are the elements that cannot be believed; nil if all can.
	bad bitmap
}

// newLeaf makes a leaf of the bytes from its header on, of which the elements were
// looked at.
func newLeaf(page int64, offset int64, e elements, s survey) Leaf {
	l := Leaf{Page: page, Offset: offset, elements: e}
	if length := int64(len(e.b)); !s.joined || s.end > length {
		l.bad = e.refused(length)
	}
	return l
}

// Len returns the number of elements.
func (l Leaf) Len() int { return l.elements.n }

// Bytes returns the page as it is in the file, with its header.
func (l Leaf) Bytes() []byte { return l.elements.b }

// IsBucket reports whether element i is a bucket within this one, whose value is not the
// caller's but bbolt's.
func (l Leaf) IsBucket(i int) bool {
	return binary.LittleEndian.Uint32(l.elements.head(i))&bucketFlag != 0
}

// Element returns key and value of element i, and the value's offset in the file. The
// error is Damage: the element lies about its place or is cut off. Two elements never
// share a byte.
func (l Leaf) Element(i int) (key, value []byte, offset int64, err error) {
	if l.bad != nil && l.bad.has(int64(i)) {
		return nil, nil, 0, Damage{l.Offset + int64(headerSize+i*elementSize), "the element's place contradicts its page or its neighbours"}
	}
	b := l.elements.head(i)
	start := headerSize + i*elementSize + int(binary.LittleEndian.Uint32(b[4:]))
	middle := start + int(binary.LittleEndian.Uint32(b[8:]))
	end := middle + int(binary.LittleEndian.Uint32(b[12:]))
	return l.elements.b[start:middle:middle], l.elements.b[middle:end:end], l.Offset + int64(middle), nil
}

// Gap is a part of a leaf page that no element which can be believed has.
type Gap struct {
	// Offset in the file, and Length, in bytes.
	Offset, Length int64
}

// Gaps returns the gaps of a page whose elements contradict each other or its length: none of
// others.
func (l Leaf) Gaps() (gaps []Gap) {
	if l.bad == nil {
		return nil
	}
	free, size := l.elements.bodies(), int64(len(l.elements.b))
	add := func(to int64) {
		if to > free {
			gaps = append(gaps, Gap{l.Offset + free, to - free})
		}
	}
	for i := range l.Len() {
		if !l.bad.has(int64(i)) {
			start, end := l.elements.extent(i)
			add(start)
			free = end
		}
	}
	add(size)
	return gaps
}
