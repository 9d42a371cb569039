package live

import (
	"bytes"
	"context"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// pages reads from the cursor to end with one request for each page. The next page is asked for
// while the one before it is looked at. Among the next careful keys are some that were too large
// together.
func (r *reading) pages(ctx context.Context, end string, careful int64) error {
	ctx, cancel := context.WithCancel(ctx)
	p := &pager{reading: r, from: r.from, end: end, limit: firstPage, careful: careful, free: make(chan *page, 2), full: make(chan *page)}
	for range cap(p.free) {
		p.free <- &page{answer: answer{prefix: []byte(r.snap.Prefix)}}
	}
	var failed error
	go func() {
		defer close(p.full)
		failed = p.fetch(ctx)
	}()
	defer func() {
		cancel()
		for range p.full { // until it has ended
		}
	}()
	for next := range p.full {
		if err := r.take(ctx, &next.answer); err != nil {
			return err
		}
		p.free <- next
	}
	return failed
}

// page is one answer and the bytes that it shows.
type page struct {
	frame  frame
	answer answer
}

// pager fetches pages.
type pager struct {
	*reading
	from, end string
	last      []byte   // the key before from
	bounds    []string // where the next pages begin, if that is known
	limit     int64    // how many keys to ask for
	careful   int64    // how many keys are not to be asked for in large pages
	// free are pages that may be written to, full those that were.
	free, full chan *page
	names      frame // of an index
}

// fetch asks for all pages up to the end.
func (p *pager) fetch(ctx context.Context) error {
	for {
		to := p.end
		if len(p.bounds) > 0 {
			to = p.bounds[0]
		}
		next, err := p.one(ctx, to)
		if err != nil {
			return err
		}
		n := len(next.answer.records)
		if n > 0 {
			p.last = append(p.last[:0], next.answer.records[n-1].Key...)
		}
		more, left := next.answer.more, next.answer.left
		p.received(n, next.answer.size)
		select {
		case p.full <- next:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case more:
			p.from = string(p.last) + "\x00"
			if to == p.end && left > countedPages*p.limit && p.snap.StandIn == "" {
				if err := p.index(ctx); err != nil {
					return err
				}
			}
		case to == p.end:
			return nil
		default:
			p.from, p.bounds = to, p.bounds[1:]
		}
	}
}

// one asks for a page, and for a smaller one if that is too large.
func (p *pager) one(ctx context.Context, to string) (next *page, err error) {
	select {
	case next = <-p.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		err := p.ask(ctx, next, &pb.RangeRequest{Key: []byte(p.from), RangeEnd: []byte(to), Limit: p.limit})
		if err == nil || !oversized(err) {
			return next, err
		}
		if !p.refused() {
			return nil, &Error{
				Op: p.op, Err: err, What: fmt.Sprintf("the value after %q has more than %d MiB", p.last, receiveLimit>>20),
				Do: "no API server writes such a value; look at it with etcdctl",
			}
		}
	}
}

// ask makes one request, and repeats what may pass.
func (p *pager) ask(ctx context.Context, into *page, req *pb.RangeRequest) error {
	if err := p.bytes(ctx, &into.frame, req); err != nil {
		return err
	}
	return p.decoded(into.answer.decode(into.frame.bytes))
}

func (p *pager) bytes(ctx context.Context, into *frame, req *pb.RangeRequest) error {
	store := p.snap.store
	req.Revision, req.Serializable = p.revision, p.snap.local()
	return store.repeat(ctx, func() error { return store.page(ctx, req, into) })
}

// index finds out where the next pages begin. They are left as they are if that cannot be
// said in one answer.
func (p *pager) index(ctx context.Context) error {
	err := p.bytes(ctx, &p.names, &pb.RangeRequest{Key: []byte(p.from), RangeEnd: []byte(p.end), Limit: min(indexedPages*p.limit, indexedKeys), KeysOnly: true})
	if oversized(err) {
		return nil
	}
	if err != nil {
		return err
	}
	n, before := int64(0), []byte(p.from)
	return p.decoded(eachKey(p.names.bytes, func(key []byte) error {
		if order := bytes.Compare(key, before); order < 0 || order == 0 && n > 0 || bytes.Compare(key, []byte(p.end)) >= 0 {
			return fmt.Errorf("key %q is not in the order, or the range, that was asked for", key)
		}
		if before = key; n > 0 && n%p.limit == 0 {
			p.bounds = append(p.bounds, string(key))
		}
		n++
		return nil
	}))
}
