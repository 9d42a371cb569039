package live

import (
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
	p.near = newHorizon(r.from, end)
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
	last      []byte // the key before from
	near      horizon
	limit     int64 // how many keys to ask for
	careful   int64 // how many keys are not to be asked for in large pages
	// free are pages that may be written to, full those that were.
	free, full chan *page
}

// fetch asks for all pages up to the end.
func (p *pager) fetch(ctx context.Context) error {
	for {
		to := p.end
		if p.snap.StandIn == "" { // kine may know no other end than that of a prefix
			to = p.near.end(p.from, p.end)
		}
		next, err := p.one(ctx, to)
		if err != nil {
			return err
		}
		n, first := len(next.answer.records), ""
		if n > 0 {
			first = string(next.answer.records[0].Key)
			p.last = append(p.last[:0], next.answer.records[n-1].Key...)
		}
		more, left := next.answer.more, next.answer.left
		p.received(n, next.answer.size)
		select {
		case p.full <- next:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !more && to == p.end {
			return nil
		}
		p.near = p.near.after(seen{from: p.from, first: first, last: string(p.last), keys: int64(n), counted: left, more: more}, p.limit)
		p.from = to
		if more {
			p.from = string(p.last) + "\x00"
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
