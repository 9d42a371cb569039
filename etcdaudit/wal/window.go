package wal

import (
	"errors"
	"fmt"
	"io"
)

const (
	// windowSize is how much is read at once, in bytes. It stays within the
	// second-level cache.
	windowSize = 256 << 10
	// usualSize is what the buffer may grow to in small steps: etcd's default limit of
	// 1.5 MiB for a request is well within. A larger record makes it grow to its bound
	// at once, lest several abandoned buffers are in memory with the new one.
	usualSize = 4 << 20
)

// window goes through the file once. Each byte is read once: what was checked is what
// is used, also while etcd writes to the file.
type window struct {
	r    io.ReaderAt
	size int64  // of the file; less, once it is found to be cut
	at   int64  // offset of buf[0], which is where reading goes on
	buf  []byte // read, and not yet passed
	all  []byte // the whole buffer, which buf is a part of
	// err is why nothing could be read behind buf. What lies before is used first.
	err error
}

// left is how much of the file follows, in bytes.
func (w *window) left() int64 { return w.size - w.at }

// view returns the next n bytes without passing them, fewer where the file ends. They
// are valid until the next call.
func (w *window) view(n int) ([]byte, error) {
	if len(w.buf) < n && int64(len(w.buf)) < w.left() {
		w.load(n)
	}
	if len(w.buf) < n && w.err != nil {
		return nil, w.err
	}
	return w.buf[:min(n, len(w.buf))], nil
}

// load makes buf at least n bytes long where the file has them.
func (w *window) load(n int) {
	if w.err != nil {
		return
	}
	if room := n; room > len(w.all) {
		switch {
		case room <= windowSize:
			room = windowSize
		case room <= usualSize:
			room = min(2*room, usualSize)
		default:
			room = maxFrame
		}
		kept := w.buf
		w.all = make([]byte, room)
		w.buf = w.all[:copy(w.all, kept)]
	} else {
		w.buf = w.all[:copy(w.all, w.buf)]
	}
	have := len(w.buf)
	want := int(min(int64(max(n, min(windowSize, len(w.all)))), w.left()))
	read, err := w.r.ReadAt(w.all[have:want], w.at+int64(have))
	w.buf = w.all[:have+read]
	if len(w.buf) == want {
		return
	}
	end := w.at + int64(len(w.buf))
	if errors.Is(err, io.EOF) {
		w.size = end // the file was cut since its size was taken
		return
	}
	w.err = fmt.Errorf("read at offset %d: %w", end, err)
}

// pass goes on by n bytes, which need not have been read.
func (w *window) pass(n int64) {
	w.at += n
	w.buf = w.buf[min(n, int64(len(w.buf))):]
}
