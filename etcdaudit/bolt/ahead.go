package bolt

import (
	"context"
	"runtime"
)

// batch is a buffer with the leaves that are views of it.
type batch struct {
	buf    []byte // its length is how much of it is used
	leaves []Leaf
}

// ahead reads leaves in one goroutine and hands them to others. A batch has one owner at a time.
type ahead struct {
	ctx context.Context //nolint:containedctx // of one walk
	now *batch
	// full are those that were handed over, free those that are used no more.
	full, free chan *batch
	// windows are those that are views of a batch.
	windows []*window
}

// readAhead has walk find leaves in a goroutine of its own, and gives them to each in this one, as
// many at once as were read at once. They are valid until each has called done, which another
// goroutine may do later. An error of each ends the walk and is returned as it is.
func readAhead(ctx context.Context, w *walk, each func(leaves []Leaf, done func()) error, walk func() error) error {
	within, stop := context.WithCancel(ctx)
	defer stop()
	// One is filled, one waits, one is used, and each processor has one between these; no more
	// than four, for which one goroutine can hardly read enough.
	batches := 3 + min(4, runtime.GOMAXPROCS(0))
	a := &ahead{
		ctx: within, now: &batch{}, full: make(chan *batch), free: make(chan *batch, batches),
		windows: []*window{&w.near, &w.far},
	}
	for range batches - 1 {
		a.free <- &batch{}
	}
	w.leaf = func(l Leaf) error {
		a.now.leaves = append(a.now.leaves, l)
		return nil
	}
	w.near.ahead, w.far.ahead = a, a
	ended := make(chan error, 1)
	go func() {
		err := walk()
		// What was read before an error is of use.
		if flushed := a.flush(); err == nil {
			err = flushed
		}
		close(a.full)
		ended <- err
	}()
	var failed error
	for b := range a.full {
		if failed != nil {
			continue
		}
		if failed = each(b.leaves, func() { a.recycle(b) }); failed != nil {
			stop()
		}
	}
	err := <-ended
	w.leaf, w.near, w.far = nil, window{r: w.r, size: w.size}, window{r: w.r, size: w.size}
	if failed != nil {
		return failed
	}
	return err
}

// recycle takes back a batch that is used no more.
func (a *ahead) recycle(b *batch) {
	clear(b.leaves)
	b.leaves, b.buf = b.leaves[:0], b.buf[:0]
	if cap(b.buf) > keepSize {
		b.buf = nil
	}
	a.free <- b
}

// room returns a part of a batch. What was read before is handed over if there is no room for
// both.
func (a *ahead) room(length int64) ([]byte, error) {
	if used := int64(len(a.now.buf)); used+length > int64(cap(a.now.buf)) || length > windowSize {
		if err := a.flush(); err != nil {
			return nil, err
		}
		if length > windowSize {
			if err := a.wait(); err != nil {
				return nil, err
			}
		}
		if int64(cap(a.now.buf)) < length {
			a.now.buf = make([]byte, 0, max(length, windowSize))
		}
	}
	start := len(a.now.buf)
	a.now.buf = a.now.buf[:start+int(length)]
	return a.now.buf[start:], nil
}

// flush hands over what was read.
func (a *ahead) flush() (err error) {
	// They must not show what the batch is filled with next.
	for _, w := range a.windows {
		w.buf = nil
	}
	if len(a.now.leaves) == 0 { // branch pages only
		a.now.buf = a.now.buf[:0]
		return nil
	}
	select {
	case a.full <- a.now:
		a.now, err = a.unused()
		return err
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}

// unused returns a batch that is used no more, once there is one.
func (a *ahead) unused() (*batch, error) {
	select {
	case b := <-a.free:
		return b, nil
	case <-a.ctx.Done():
		return &batch{}, context.Cause(a.ctx)
	}
}

// wait waits until all is used that was handed over: long leaves must not be in memory together.
func (a *ahead) wait() error {
	all := make([]*batch, cap(a.free)-1)
	for i := range all {
		var err error
		if all[i], err = a.unused(); err != nil {
			return err
		}
	}
	for _, b := range all {
		if cap(b.buf) > cap(a.now.buf) { // of long buffers one is kept
			a.now.buf, b.buf = b.buf, a.now.buf
		}
		if cap(b.buf) > windowSize {
			b.buf = nil
		}
		a.free <- b
	}
	return nil
}
