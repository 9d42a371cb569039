package carve

import (
	"fmt"
	"io"
)

// window shows a part of an extent as one slice: what was searched last, so that
// the beginning of an object can be found from its end, and as much of what
// follows as is asked for. It never reads outside the extent.
type window struct {
	r        io.ReaderAt
	from, to int64
	limits   limits

	buf  []byte
	base int64 // the offset of buf's first byte
	pos  int64 // where the search is
	err  error // the extent ends where reading failed
}

func (w *window) open(r io.ReaderAt, from, to int64, l limits) {
	*w = window{r: r, from: from, to: to, limits: l, buf: w.buf[:0], base: from, pos: from}
	// Small extents are many, and not each of them may cost the largest buffer.
	if size := min(to-from, int64(3*l.object+l.chunk)); int64(cap(w.buf)) < size {
		w.buf = make([]byte, 0, size)
	}
}

func (w *window) end() int64 { return w.base + int64(len(w.buf)) }

// view returns the bytes from lo to hi, as far as they lie within the extent.
// They are valid until the next call. What is farther from the search's position
// than an object is long is not shown.
func (w *window) view(lo, hi int64) []byte {
	reach := int64(w.limits.object)
	lo = max(lo, w.from, w.pos-reach)
	hi = min(hi, w.to, w.pos+reach)
	w.fill(hi)
	hi = min(hi, w.end())
	if lo >= hi {
		return nil
	}
	return w.buf[lo-w.base : hi-w.base : hi-w.base]
}

// ahead returns what was read from the search's position on, up to hi.
func (w *window) ahead(hi int64) []byte {
	return w.buf[w.pos-w.base : min(hi, w.end())-w.base]
}

// fill reads until the window reaches hi or the extent ends.
func (w *window) fill(hi int64) {
	for w.end() < min(hi, w.to) {
		n := int(min(int64(w.limits.chunk), w.to-w.end()))
		if len(w.buf)+n > cap(w.buf) {
			w.slide()
		}
		start := len(w.buf)
		read, err := w.r.ReadAt(w.buf[start:start+n], w.end())
		w.buf = w.buf[:start+read]
		if read < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			w.err = fmt.Errorf("read %d bytes at offset %d: %w", n-read, w.end(), err)
			w.to = w.end()
		}
	}
}

// slide drops what no object at the search's position can begin in.
func (w *window) slide() {
	keep := max(w.base, w.pos-int64(w.limits.object))
	n := copy(w.buf[:cap(w.buf)], w.buf[keep-w.base:])
	w.buf, w.base = w.buf[:n], keep
}
