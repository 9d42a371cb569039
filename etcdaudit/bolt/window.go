package bolt

import (
	"errors"
	"fmt"
	"io"
)

// windowSize is how much is read at once where pages lie close together, in bytes. It
// stays within the second-level cache.
const windowSize = 256 << 10

// keepSize is the largest buffer that is kept for the next read, in bytes.
const keepSize = 4 << 20

// window is a part of the file in memory.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	at   int64 // offset of buf[0]
	buf  []byte
	// ahead has the buffers of what another goroutine is given; nil where buf is the only one.
	ahead *ahead
}

// has reports whether the bytes are in memory.
func (w *window) has(offset, length int64) bool {
	return offset >= w.at && offset+length <= w.at+int64(len(w.buf))
}

// view returns length bytes at the offset, valid until the next call that reads; fewer
// where the file ends.
func (w *window) view(offset, length int64) ([]byte, error) {
	if length = max(0, min(length, w.size-offset)); !w.has(offset, length) {
		if err := w.load(offset, length); err != nil {
			return nil, err
		}
	}
	b := w.buf[offset-w.at:]
	return b[:min(length, int64(len(b)))], nil
}

func (w *window) load(offset, length int64) error {
	buf, err := w.room(length)
	if err != nil {
		return err
	}
	n, err := w.r.ReadAt(buf[:length], offset)
	w.at, w.buf = offset, buf[:n]
	// A file that was cut since it was opened has less; its pages are damage then.
	if int64(n) < length && !errors.Is(err, io.EOF) {
		return readError(offset+int64(n), err)
	}
	return nil
}

// room returns a buffer of at least so many bytes.
func (w *window) room(length int64) ([]byte, error) {
	if w.ahead != nil {
		return w.ahead.room(length)
	}
	buf := w.buf[:cap(w.buf)]
	if int64(len(buf)) < length || len(buf) > keepSize {
		w.buf = nil // not kept beside the new one
		buf = make([]byte, length)
	}
	return buf, nil
}

func readError(offset int64, err error) error {
	return fmt.Errorf("read at offset %d: %w", offset, err)
}
