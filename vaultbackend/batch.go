package vaultbackend

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// maxItems is how many items go into one request. Vault's own limit is
	// 10,000 array elements; 256 keep one request to a few milliseconds.
	maxItems = 256
	// maxBody bounds the JSON of one request, far below Vault's 32 MiB.
	maxBody = 1 << 20
	// maxItem bounds one item. The API server bounds what it stores of a
	// plugin to 1 KiB of ciphertext and 32 KiB of annotations.
	maxItem = 128 << 10

	// slowFlight is how long a request holds up others that could join the next
	// one. After that they go out beside it: it may never be answered.
	slowFlight = 100 * time.Millisecond
	// maxFlights bounds the requests under way at a time.
	maxFlights = 4
)

// size estimates what an item takes in JSON.
func (i batchItem) size() int {
	return 64 + len(i.Ciphertext) + (len(i.Input)+len(i.Plaintext)+len(i.AssociatedData))*4/3
}

// fitting returns how many of n items go into one request, at least one.
func fitting(n int, size func(i int) int) int {
	total := 0
	for i := range min(n, maxItems) {
		if total += size(i); total > maxBody && i > 0 {
			return i
		}
	}
	return min(n, maxItems)
}

// gatherer lets decrypts share requests. Identical items that are asked for at
// the same time are sent once. Distinct ones go out at once while nothing is
// under way, and otherwise wait for the request under way and then go out
// together: gathering costs no time when there is nothing to gather.
//
// A request for several callers belongs to none of them: it ends early only when
// all who wait for any of its items have given up. One that a single caller asks
// for alone is made on that caller's own goroutine, and costs no more than the
// request; should somebody else still want one of its items when that caller
// gives up, it is made again.
type gatherer struct {
	decrypt func(context.Context, []backend.DecryptItem) ([]backend.Result, error)
	life    context.Context
	wg      sync.WaitGroup

	mu     sync.Mutex
	closed bool
	asked  map[string]*call // to be sent, or under way
	queue  []*call          // to be sent
	active int              // flights under way
	fast   int              // those of them that are not slow yet
}

// call is one distinct item and those who wait for it.
type call struct {
	id      string
	item    backend.DecryptItem
	uids    []string // of those who asked before it was sent
	waiting int
	flight  *flight // nil until it is sent
	done    chan struct{}
	result  backend.Result // set before done is closed
}

// flight is one request under way.
type flight struct {
	ctx    context.Context
	cancel context.CancelFunc
	calls  []*call
	wanted int // calls that somebody still waits for
	slow   bool
	caller context.Context // whose own request it is; nil for one that is shared
}

func newGatherer(life context.Context, decrypt func(context.Context, []backend.DecryptItem) ([]backend.Result, error)) *gatherer {
	return &gatherer{decrypt: decrypt, life: life, asked: map[string]*call{}}
}

// do returns one result an item, each in memory of the caller's own.
func (g *gatherer) do(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	calls, alone, err := g.ask(ctx, items)
	if err != nil {
		return nil, err
	}
	defer g.leave(calls)
	if alone != nil {
		g.fly(alone)
	}

	results := make([]backend.Result, len(calls))
	for i, c := range calls {
		select {
		case <-c.done:
			// A copy, as whoever gets it may overwrite it after use.
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

// ask joins or makes the call of each item, and sends what can be sent. A
// request for this caller alone it leaves to the caller.
func (g *gatherer) ask(ctx context.Context, items []backend.DecryptItem) (calls []*call, alone *flight, err error) {
	calls = make([]*call, len(items))
	uids := uidsOf(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, nil, unanswered("decrypt", errClosed)
	}
	others := len(g.queue) > 0
	for i, item := range items {
		id := identity(item)
		c, ok := g.asked[id]
		if !ok {
			// The caller may return, and reuse its buffers, before this is sent.
			c = &call{id: id, done: make(chan struct{}), item: backend.DecryptItem{
				Ciphertext:     bytes.Clone(item.Ciphertext),
				AssociatedData: bytes.Clone(item.AssociatedData),
			}}
			g.asked[id] = c
			g.queue = append(g.queue, c)
		}
		c.waiting++
		c.name(uids)
		calls[i] = c
	}
	if !others {
		if alone = g.depart(); alone != nil {
			alone.caller = ctx
			alone.begin(ctx)
		}
	}
	g.launch()
	return calls, alone, nil
}

// name adds the uids of somebody who asks for c, while that can still be sent
// and as far as a request can carry.
func (c *call) name(uids []string) {
	if c.flight == nil && len(c.uids) <= maxUIDs {
		c.uids = append(c.uids, uids...)
	}
}

// identity is equal for two items exactly if they ask for the same.
func identity(item backend.DecryptItem) string {
	id := binary.AppendUvarint(nil, uint64(len(item.AssociatedData)))
	id = append(id, item.AssociatedData...)
	return string(append(id, item.Ciphertext...))
}

// launch sends what is queued, as far as requests may be under way; g.mu is held.
func (g *gatherer) launch() {
	for {
		f := g.depart()
		if f == nil {
			return
		}
		var uids []string
		for _, c := range f.calls {
			uids = append(uids, c.uids...)
		}
		f.begin(withUIDs(g.life, uids))
		g.wg.Go(func() { g.fly(f) })
	}
}

// begin makes f end with ctx, and never later than a request may last.
func (f *flight) begin(ctx context.Context) {
	f.ctx, f.cancel = context.WithTimeout(ctx, requestTimeout)
}

// depart takes what fits into one request from the queue; nil if there is
// nothing, or too much under way; g.mu is held.
func (g *gatherer) depart() *flight {
	if len(g.queue) == 0 || g.fast > 0 || g.active == maxFlights || g.closed {
		return nil
	}
	n := fitting(len(g.queue), func(i int) int {
		item := g.queue[i].item
		return batchItem{Ciphertext: string(item.Ciphertext), AssociatedData: item.AssociatedData}.size()
	})
	f := &flight{calls: slices.Clone(g.queue[:n]), wanted: n}
	g.queue = slices.Delete(g.queue, 0, n)
	for _, c := range f.calls {
		c.flight = f
	}
	g.active++
	g.fast++
	return f
}

// fly makes one request and hands out its results.
func (g *gatherer) fly(f *flight) {
	defer f.cancel()
	defer context.AfterFunc(g.life, f.cancel)()
	slow := time.AfterFunc(slowFlight, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.slowed(f)
		g.launch()
	})
	defer slow.Stop()
	items := make([]backend.DecryptItem, len(f.calls))
	for i, c := range f.calls {
		items[i] = c.item
	}
	var results []backend.Result
	err := error(unanswered("decrypt", errBroken))
	// Whatever happens: a flight that never lands holds up all that come after it.
	defer func() { g.land(f, results, err) }()
	results, err = g.decrypt(f.ctx, items)
}

// land hands out what a flight brought, and makes way for the next one.
func (g *gatherer) land(f *flight, results []backend.Result, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range f.calls {
		switch {
		case err == nil:
			c.result = results[i]
		case f.caller != nil && f.caller.Err() != nil && c.waiting > 1 && g.life.Err() == nil:
			// Whose request it was has given up; others have not.
			c.flight = nil
			g.queue = append(g.queue, c)
			continue
		default:
			c.result.Err = err
		}
		if g.asked[c.id] == c {
			delete(g.asked, c.id)
		}
		if c.waiting == 0 {
			clear(c.result.Data)
		}
		close(c.done)
	}
	g.slowed(f)
	g.active--
	g.launch()
}

// slowed lets others pass f; g.mu is held.
func (g *gatherer) slowed(f *flight) {
	if !f.slow {
		f.slow = true
		g.fast--
	}
}

// leave gives up calls, finished or not.
func (g *gatherer) leave(calls []*call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range calls {
		if c.waiting--; c.waiting > 0 {
			continue
		}
		select {
		case <-c.done:
			clear(c.result.Data) // everybody has a copy
			continue
		default:
		}
		// Nobody may join it any more: it ends unanswered.
		if g.asked[c.id] == c {
			delete(g.asked, c.id)
		}
		if c.flight == nil {
			g.queue = slices.DeleteFunc(g.queue, func(q *call) bool { return q == c })
		} else if c.flight.wanted--; c.flight.wanted == 0 {
			c.flight.cancel()
		}
	}
}

// close waits for what is under way, which the end of life cancels, and answers
// those whose items were never sent.
func (g *gatherer) close() {
	g.mu.Lock()
	g.closed = true
	for _, c := range g.queue {
		c.result.Err = unanswered("decrypt", errClosed)
		delete(g.asked, c.id)
		close(c.done)
	}
	g.queue = nil
	g.mu.Unlock()
	g.wg.Wait()
}
