package bolt

import "errors"

// batches is how many are in memory of what is read ahead: one that is filled, one that waits
// and one that is used.
const batches = 3

var errStopped = errors.New("the leaves are not wanted any more")

// batch is a buffer with the leaves that are views of it.
type batch struct {
	buf    []byte // its length is how much of it is used
	leaves []Leaf
}

// ahead reads leaves in one goroutine and hands them to another. A batch has one owner at a time.
type ahead struct {
	now        *batch
	full, free chan *batch
	stop       chan struct{}
	// windows are those that are views of a batch.
	windows []*window
}

// readAhead has walk find leaves in a goroutine of its own, and gives them to each in this one, as
// many at once as were read at once. An error of each ends the walk and is returned as it is.
func readAhead(w *walk, each func([]Leaf) error, walk func() error) error {
	a := &ahead{
		now: &batch{}, full: make(chan *batch), free: make(chan *batch, batches), stop: make(chan struct{}),
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
		if failed == nil {
			if failed = each(b.leaves); failed != nil {
				close(a.stop)
			}
		}
		clear(b.leaves)
		b.leaves, b.buf = b.leaves[:0], b.buf[:0]
		if cap(b.buf) > keepSize {
			b.buf = nil
		}
		a.free <- b
	}
	err := <-ended
	w.leaf, w.near, w.far = nil, window{r: w.r, size: w.size}, window{r: w.r, size: w.size}
	if failed != nil {
		return failed
	}
	return err
}

// room returns a part of a batch. What was read before is handed over if there is no room for
// both.
func (a *ahead) room(length int64) ([]byte, error) {
	if used := int64(len(a.now.buf)); used+length > int64(cap(a.now.buf)) {
		if err := a.flush(); err != nil {
			return nil, err
		}
		if length > keepSize {
			a.wait()
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
func (a *ahead) flush() error {
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
		a.now = <-a.free
		return nil
	case <-a.stop:
		return errStopped
	}
}

// wait waits until all is used that was handed over: huge values must not be in memory together.
func (a *ahead) wait() {
	var all [batches - 1]*batch
	for i := range all {
		all[i] = <-a.free
	}
	for _, b := range all {
		a.free <- b
	}
}
