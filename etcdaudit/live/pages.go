package live

import (
	"context"
	"fmt"
)

// pages reads from the cursor to end with one request for each page.
func (r *reading) pages(ctx context.Context, end string) error {
	var (
		size   = newPager()
		bounds []string // where the next pages begin
	)
	for {
		to := end
		if len(bounds) > 0 {
			to = bounds[0]
		}
		req := r.request(to)
		req.Limit = size.limit
		err := r.page(ctx, req)
		if oversized(err) {
			if size.refused() {
				continue
			}
			return &Error{
				Op: r.op, Err: err, What: fmt.Sprintf("the value after %q has more than %d MiB", r.last, receiveLimit>>20),
				Do: "no API server writes such a value; look at it with etcdctl",
			}
		}
		if err != nil {
			return err
		}
		keys, bytes, more, left := len(r.got.records), r.got.size, r.got.more, r.got.left
		if err := r.take(ctx); err != nil {
			return err
		}
		size.received(keys, bytes)
		switch {
		case more && to == end && left > countedPages*size.limit && r.snap.StandIn == "":
			if bounds, err = r.index(ctx, end, size.limit); err != nil {
				return err
			}
		case more:
		case to == end:
			return nil
		default:
			r.from, bounds = to, bounds[1:]
		}
	}
}

// index returns every limit-th of the next keys.
func (r *reading) index(ctx context.Context, end string, limit int64) (bounds []string, err error) {
	req := r.request(end)
	req.KeysOnly, req.Limit = true, min(indexedPages*limit, indexedKeys)
	err = r.page(ctx, req)
	if oversized(err) {
		return nil, nil // long names: the pages do without
	}
	if err != nil {
		return nil, err
	}
	for i, rec := range r.got.records {
		switch {
		case !r.inRange(rec.Key, end) || i > 0 && string(rec.Key) <= string(r.got.records[i-1].Key):
			return nil, inconsistent(r.op, "key %q is not in the order, or the range, that was asked for", rec.Key)
		case i > 0 && int64(i)%limit == 0:
			bounds = append(bounds, string(rec.Key))
		}
	}
	return bounds, nil
}
