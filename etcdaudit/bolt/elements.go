package bolt

import "encoding/binary"

// elements are the n elements behind a page's header. Those of a leaf and of a branch
// have the same size: flags, pos, ksize and vsize (u32 each), or pos, ksize (u32 each)
// and the child's page (u64). pos counts from the element's own first byte.
type elements struct {
	b    []byte // from the page's first byte, at least to the end of the elements
	n    int
	leaf bool
}

// head returns the bytes of element i.
func (e elements) head(i int) []byte {
	at := headerSize + i*elementSize
	return e.b[at : at+elementSize : at+elementSize]
}

// extent returns where key and value of element i begin and end, from the page's first
// byte. The sums of three 32-bit numbers cannot overflow.
func (e elements) extent(i int) (start, end int64) {
	b := e.head(i)
	at := int64(headerSize + i*elementSize)
	if e.leaf {
		start = at + int64(binary.LittleEndian.Uint32(b[4:]))
		return start, start + int64(binary.LittleEndian.Uint32(b[8:])) + int64(binary.LittleEndian.Uint32(b[12:]))
	}
	start = at + int64(binary.LittleEndian.Uint32(b))
	return start, start + int64(binary.LittleEndian.Uint32(b[4:]))
}

// bodies is where the first key has to begin.
func (e elements) bodies() int64 { return int64(headerSize + e.n*elementSize) }

// survey is what one look at all elements of a page shows.
type survey struct {
	// end of the key or value that reaches farthest.
	end int64
	// joined is set if each element begins where the one before it ends, as bbolt
	// writes them.
	joined bool
	// buckets is set if an element of a leaf is a bucket.
	buckets bool
}

func (e elements) survey() survey {
	s := survey{end: e.bodies(), joined: true}
	var flags uint32
	for i, next := 0, s.end; i < e.n; i++ {
		start, end := e.extent(i)
		if start != next {
			s.joined = false
		}
		next, s.end = end, max(s.end, end)
		flags |= binary.LittleEndian.Uint32(e.head(i))
	}
	s.buckets = e.leaf && flags&bucketFlag != 0
	return s
}

// readElements reads the elements of a page with the given header. There can be length
// bytes of it and its continuation, of which read gives the first n, or fewer if the file
// has ended. The number of elements differs from the header's where that must be wrong.
func readElements(h header, length int64, read func(n int64) ([]byte, error)) (elements, error) {
	limit := int((length - headerSize) / elementSize)
	e := elements{n: min(int(h.count), limit), leaf: h.flags == flagLeaf}
	err := e.load(max(e.n, min(2, limit)), read)
	if err != nil || limit < 2 {
		return e, err
	}
	if n := e.trueCount(limit); n != e.n {
		e.n = n
		err = e.load(n, read)
	}
	return e, err
}

// load reads the first n elements.
func (e *elements) load(n int, read func(n int64) ([]byte, error)) (err error) {
	e.b, err = read(int64(headerSize + n*elementSize))
	e.n = min(e.n, max(0, len(e.b)-headerSize)/elementSize)
	return err
}

// trueCount returns the number of elements that the place of the first key implies,
// where that differs from n and the first two elements bear it out; otherwise n. There is
// room for at most limit of them.
func (e elements) trueCount(limit int) int {
	if len(e.b) < headerSize+2*elementSize {
		return e.n
	}
	start, end := e.extent(0)
	implied := (start - headerSize) / elementSize
	if start%elementSize != 0 || implied < 1 || implied > int64(limit) {
		return e.n
	}
	if next, _ := e.extent(1); implied > 1 && next != end {
		return e.n
	}
	return int(implied)
}

// refused returns the elements that lie about their place, of a page of which length
// bytes are there. Those that are not refused are within these bytes and disjoint, so
// that reading all of them reads no byte twice.
//
// Where an element does not end where the next one begins, one of the two lies. If the
// next one agrees with its own successor, it is taken at its word.
func (e elements) refused(length int64) bitmap {
	bad := newBitmap(int64(e.n))
	free, previous := e.bodies(), e.bodies()
	for i := range e.n {
		start, end := e.extent(i)
		vouched := e.joins(i) || (start == previous && !e.joins(i+1))
		previous = end
		if start < free || end > length || !vouched {
			bad.set(int64(i))
			continue
		}
		free = end
	}
	return bad
}

// joins reports whether element i ends where the next one begins. The last one has
// nothing to contradict it.
func (e elements) joins(i int) bool {
	if i >= e.n-1 {
		return true
	}
	_, end := e.extent(i)
	next, _ := e.extent(i + 1)
	return end == next
}
