package carve

import (
	"fmt"
	"io"
)

// window shows parts of an extent as slices. What is searched is read in chunks
// that fit into a processor's cache; what an object needs beyond the chunk is read
// again into a second buffer. It never reads outside the extent.
type window struct {
	r        io.ReaderAt
	from, to int64
	limits   limits

	near span
	far  span
	pos  int64 // where the search is
	err  error // the extent ends where reading failed
}

// span is what was read last: the bytes from base on.
type span struct {
	buf  []byte
	base int64
}

// behind is how many bytes before the search's position stay in the chunk: enough
// for the key before a value, and for the beginning of most objects.
const behind = 4096

func (w *window) open(r io.ReaderAt, from, to int64, l limits) {
	*w = window{r: r, from: from, to: to, limits: l, near: span{w.near.buf[:0], from}, far: span{w.far.buf[:0], from}, pos: from}
}

func (s *span) end() int64 { return s.base + int64(len(s.buf)) }

// show returns the bytes from lo to hi; ok is false if not all of them are there.
func (s *span) show(lo, hi int64) (b []byte, ok bool) {
	if lo < s.base || hi > s.end() {
		return nil, false
	}
	return s.buf[lo-s.base : hi-s.base : hi-s.base], true
}

// view returns the bytes from lo to hi, as far as they lie within the extent and
// no farther from lo than an object is long. They are valid until the next call.
func (w *window) view(lo, hi int64) []byte {
	lo = max(lo, w.from)
	hi = min(hi, w.to, lo+int64(w.limits.object))
	if lo >= hi {
		return nil
	}
	if b, ok := w.near.show(lo, hi); ok {
		return b
	}
	if b, ok := w.far.show(lo, hi); ok {
		return b
	}
	w.far.buf, w.far.base = w.far.buf[:0], lo
	w.read(&w.far, int(hi-lo))
	b, _ := w.far.show(lo, max(lo, min(hi, w.to)))
	return b
}

// ahead returns what was read from the search's position on, up to hi.
func (w *window) ahead(hi int64) []byte {
	b, _ := w.near.show(w.pos, min(hi, w.near.end()))
	return b
}

// next reads the next chunk, from the search's position on.
func (w *window) next() {
	keep := max(w.from, w.pos-behind)
	// As much as a whole chunk beyond the position, and what an anchor that begins
	// in its last byte needs.
	until := min(w.to, w.pos+int64(w.limits.chunk)+overlap)
	if _, ok := w.near.show(keep, until); ok {
		return
	}
	if tail, ok := w.near.show(keep, max(keep, w.near.end())); ok {
		w.near.buf = w.near.buf[:copy(w.near.buf, tail)]
	} else {
		w.near.buf = w.near.buf[:0]
	}
	w.near.base = keep
	w.read(&w.near, int(until-w.near.end()))
}

// read appends n bytes of the extent to a span.
func (w *window) read(s *span, n int) {
	if n <= 0 {
		return
	}
	start := len(s.buf)
	if size := start + n; size > cap(s.buf) {
		s.buf = append(make([]byte, 0, size), s.buf...)
	}
	got, err := w.r.ReadAt(s.buf[start:start+n], s.end())
	s.buf = s.buf[:start+got]
	if got < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		w.err = fmt.Errorf("read %d bytes at offset %d: %w", n-got, s.end(), err)
		w.to = s.end()
	}
}
