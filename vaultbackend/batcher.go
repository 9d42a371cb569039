package vaultbackend

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

const (
	// slowBatch is how long a batch holds up others that could join the next
	// one. After that they are dispatched beside it: it may never be answered.
	slowBatch = 100 * time.Millisecond
	// maxBatches bounds the batches under way at a time.
	maxBatches = 4
	// batchTimeout ends a batch whose callers set no deadline.
	batchTimeout = 10 * time.Second
)

// batcher lets decrypts share requests. Identical items that are asked for at the
// same time are sent once. Distinct ones are dispatched at once while no batch is
// under way, and otherwise wait for it to end and are dispatched together: without
// concurrent requests batching costs no time.
//
// A batch for several callers belongs to none of them: it ends early only when all
// callers that wait for its items have left. A batch that a single caller asks for
// alone runs on that caller's goroutine, and costs no more than the request; if that
// caller leaves while others wait for one of its items, the item is sent again.
type batcher struct {
	send func(context.Context, []task) ([]backend.Result, error)
	life context.Context
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	asked  map[string]*call // to be sent, or under way
	queue  []*call          // to be sent
	active int              // batches under way
	fast   int              // those of them that are not slow yet
}

// call is one distinct item and the callers who wait for it.
type call struct {
	id      string
	task    task
	uids    []string // of callers who asked before it was sent
	waiting int
	batch   *batch // nil until it is sent
	done    chan struct{}
	result  backend.Result // set before done is closed
}

// batch is one request under way.
type batch struct {
	ctx    context.Context
	cancel context.CancelFunc
	calls  []*call
	wanted int // calls that have callers left
	slow   bool
	caller context.Context // of the only caller; nil for a batch that is shared
}

func newBatcher(life context.Context, send func(context.Context, []task) ([]backend.Result, error)) *batcher {
	return &batcher{send: send, life: life, asked: map[string]*call{}}
}

// do returns one result a task, each in memory of the caller's own.
func (b *batcher) do(ctx context.Context, tasks []task) ([]backend.Result, error) {
	calls, alone, err := b.ask(ctx, tasks)
	if err != nil {
		return nil, err
	}
	defer b.leave(calls)
	if alone != nil {
		b.run(alone)
	}

	results := make([]backend.Result, len(calls))
	for i, c := range calls {
		select {
		case <-c.done:
			// A copy, since the caller may overwrite it after use.
			results[i] = backend.Result{Data: bytes.Clone(c.result.Data), Err: c.result.Err}
		case <-ctx.Done():
			for _, r := range results[:i] {
				clear(r.Data)
			}
			return nil, ctx.Err()
		}
	}
	return results, nil
}

// ask joins or makes the call of each task, and dispatches what can be sent. A
// batch for this caller alone is left to the caller.
func (b *batcher) ask(ctx context.Context, tasks []task) (calls []*call, alone *batch, err error) {
	calls = make([]*call, len(tasks))
	uids := uidsOf(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, client.Unanswered("decrypt", client.ErrClosed)
	}
	others := len(b.queue) > 0
	for i, t := range tasks {
		id := t.item.identity()
		c, ok := b.asked[id]
		if !ok {
			// The caller may return, and reuse its buffers, before this is sent.
			t.item.AssociatedData = bytes.Clone(t.item.AssociatedData)
			c = &call{id: id, done: make(chan struct{}), task: t}
			b.asked[id] = c
			b.queue = append(b.queue, c)
		}
		c.waiting++
		if c.batch == nil && len(c.uids) <= maxUIDs {
			c.uids = append(c.uids, uids...)
		}
		calls[i] = c
	}
	if !others {
		if alone = b.next(); alone != nil {
			alone.caller = ctx
			alone.begin(ctx)
		}
	}
	b.dispatch()
	return calls, alone, nil
}

// identity is equal for two ciphertexts with associated data exactly if both are.
func (i batchItem) identity() string {
	id := binary.AppendUvarint(nil, uint64(len(i.AssociatedData)))
	id = append(id, i.AssociatedData...)
	return string(append(id, i.Ciphertext...))
}

// dispatch sends what is queued, as far as batches may be under way; b.mu is held.
func (b *batcher) dispatch() {
	for {
		next := b.next()
		if next == nil {
			return
		}
		var uids []string
		for _, c := range next.calls {
			uids = append(uids, c.uids...)
		}
		next.begin(withUIDs(b.life, uids))
		b.wg.Go(func() { b.run(next) })
	}
}

// begin makes the batch end with ctx, and after batchTimeout at the latest.
func (b *batch) begin(ctx context.Context) {
	b.ctx, b.cancel = context.WithTimeout(ctx, batchTimeout)
}

// next takes what fits into one request from the queue; nil if there is nothing,
// or too much under way; b.mu is held.
func (b *batcher) next() *batch {
	if len(b.queue) == 0 || b.fast > 0 || b.active == maxBatches || b.closed {
		return nil
	}
	n := fitting(len(b.queue), func(i int) int { return b.queue[i].task.item.size() })
	next := &batch{calls: slices.Clone(b.queue[:n]), wanted: n}
	b.queue = slices.Delete(b.queue, 0, n)
	for _, c := range next.calls {
		c.batch = next
	}
	b.active++
	b.fast++
	return next
}

// run makes the request of a batch and hands out its results.
func (b *batcher) run(a *batch) {
	defer a.cancel()
	defer context.AfterFunc(b.life, a.cancel)()
	slow := time.AfterFunc(slowBatch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.slowed(a)
		b.dispatch()
	})
	defer slow.Stop()
	tasks := make([]task, len(a.calls))
	for i, c := range a.calls {
		tasks[i] = c.task
	}
	var results []backend.Result
	err := error(client.Unanswered("decrypt", client.ErrBroken))
	// Deferred, since send may panic: a batch that never ends holds up all that
	// come after it.
	defer func() { b.finish(a, results, err) }()
	results, err = b.send(a.ctx, tasks)
}

// finish hands out the results of a batch, and dispatches the next one.
func (b *batcher) finish(a *batch, results []backend.Result, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range a.calls {
		switch {
		case err == nil:
			c.result = results[i]
		case a.caller != nil && a.caller.Err() != nil && c.waiting > 1 && b.life.Err() == nil:
			// The caller whose batch it was has left; others have not.
			c.batch = nil
			b.queue = append(b.queue, c)
			continue
		default:
			c.result.Err = err
		}
		if b.asked[c.id] == c {
			delete(b.asked, c.id)
		}
		if c.waiting == 0 {
			clear(c.result.Data)
		}
		close(c.done)
	}
	b.slowed(a)
	b.active--
	b.dispatch()
}

// slowed lets others pass a batch; b.mu is held.
func (b *batcher) slowed(a *batch) {
	if !a.slow {
		a.slow = true
		b.fast--
	}
}

// leave ends a caller's interest in calls, finished or not.
func (b *batcher) leave(calls []*call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range calls {
		if c.waiting--; c.waiting > 0 {
			continue
		}
		select {
		case <-c.done:
			clear(c.result.Data) // every caller has a copy
			continue
		default:
		}
		// It ends unanswered, so no further caller may join it.
		if b.asked[c.id] == c {
			delete(b.asked, c.id)
		}
		if c.batch == nil {
			b.queue = slices.DeleteFunc(b.queue, func(q *call) bool { return q == c })
		} else if c.batch.wanted--; c.batch.wanted == 0 {
			c.batch.cancel()
		}
	}
}

// close answers the callers whose items were never sent, and waits for batches under
// way, which end with life.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	for _, c := range b.queue {
		c.result.Err = client.Unanswered("decrypt", client.ErrClosed)
		delete(b.asked, c.id)
		close(c.done)
	}
	b.queue = nil
	b.mu.Unlock()
	b.wg.Wait()
}
