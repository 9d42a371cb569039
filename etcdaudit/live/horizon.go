package live

import clientv3 "go.etcd.io/etcd/client/v3"

// horizon says where the range of a request ends. etcd counts a range to its end for each page, at
// about 0.2 µs a key (measured on 3.6), which for pages of a long range is more than all the rest.
// So a request ends where keys stop to have the beginning of the one it starts at: how much of it
// follows how many keys were there. Wherever ranges end, together they are the whole.
type horizon struct {
	// depth is how many bytes of a key the end keeps; with shallowest it is the end of all.
	depth, shallowest int
	// skip is how many fewer it keeps behind ranges that were empty: names do not follow each other
	// without gaps.
	skip int
}

// countedKeys is how many keys may be counted for a page, where two pages have no more.
const countedKeys = 10_000

// newHorizon begins with the whole range.
func newHorizon(from, end string) horizon {
	n := shared(from, end)
	return horizon{depth: n, shallowest: n}
}

// shared is how many bytes two keys begin with alike.
func shared(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// end is the end of a request that starts at from, at most to.
func (h horizon) end(from, to string) string {
	n := max(min(h.depth, len(from))-h.skip, h.shallowest)
	if next := clientv3.GetPrefixRangeEnd(from[:n]); n > h.shallowest && next > from && next < to {
		return next
	}
	return to
}

// seen is what came of a request: how many keys were in the answer, the first and the last of them,
// and how many the range had. more is set where a limit ended the answer before the range did.
type seen struct {
	from, first, last string
	keys, counted     int64
	more              bool
}

// after is the horizon of the next request, for a page of so many keys.
func (h horizon) after(s seen, page int64) horizon {
	if s.keys == 0 {
		h.skip++
		return h
	}
	// Behind a gap, or where a range ended, the request had another end than the next will have.
	usual := h.skip == 0 && len(s.from) >= h.depth
	h.skip = 0
	switch {
	case s.more && usual && s.counted > max(countedKeys, 2*page):
		// What the keys of the page share is as deep as a page needs. Where they share no more than
		// what the end keeps, half of the rest: each such step is a long count.
		if depth := shared(s.first, s.last); depth > h.depth {
			h.depth = depth
			break
		}
		h.depth = min(h.depth+max((len(s.last)-h.depth)/2, 1), len(s.last))
	case !s.more && usual && 2*s.keys < page:
		h.depth = max(h.depth-1, h.shallowest)
	}
	return h
}
