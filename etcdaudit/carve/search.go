package carve

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Search gives every object in the extent to each, in the order in which they
// are found: one hit for each copy. An extent is the bytes from offset from up to
// offset to, which are known to belong together. Nothing outside is read, and no
// object or name is put together across its ends. What lies in an object that
// was found whole is not searched. If reading fails, what could be read is
// searched, and the error is returned. An error of each ends the search and is
// returned as it is.
func (s *Searcher) Search(ctx context.Context, r io.ReaderAt, from, to int64, each func(Hit) error) error {
	c, ok := s.searches.Get().(*search)
	if !ok {
		c = &search{Searcher: s}
	}
	defer s.searches.Put(c)
	c.w.open(r, from, to, s.limits)
	c.begin(each)
	err := c.run(ctx)
	c.w.r, c.each = nil, nil // the pool must not keep what is the caller's
	return err
}

// search is the state of one search. It is used again: extents can be many and
// small.
type search struct {
	*Searcher
	w    window
	each func(Hit) error
	// next is where each kind of anchor is found next.
	next [anchorKinds]anchor
	// floor is where the last value began or the last object ended. No other
	// begins before it.
	floor int64
	spent int64 // how many bytes were looked at for objects that were none
	outer outer
	key   []byte // copied, since the window moves
	err   error  // of each
}

func (s *search) begin(each func(Hit) error) {
	s.each, s.err, s.floor, s.spent, s.outer = each, nil, s.w.from, 0, outer{key: s.outer.key[:0], resource: -1}
}

// anchor is a place where something may be that is worth a look.
type anchor struct {
	at   int64
	text *text
}

// What is searched for.
const (
	anchorText     = iota // the prefix of keys, and kinds
	anchorCBOR            // where an object in CBOR begins
	anchorProtobuf        // where an object in protobuf ends
	anchorKinds
)

const (
	cborHead = "\xd9\xd9\xf7"
	// protobufMagic is what an object in protobuf begins with.
	protobufMagic = "k8s\x00"
	// protobufTail are the last two fields of runtime.Unknown. API servers leave
	// both empty.
	protobufTail = "\x1a\x00\x22\x00"
	// overlap is how many bytes of an anchor may lie beyond its first.
	overlap = maxWidth - 1
)

func (s *search) run(ctx context.Context) error {
	w := &s.w
	for w.pos < w.to {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.next()
		limit := w.near.end()
		if limit < w.to {
			limit -= overlap
		}
		for k := range s.next {
			s.next[k].at = -1 // what was found in the last chunk lies behind
		}
		for w.pos < limit {
			kind, a := s.anchor(limit)
			if kind < 0 {
				w.pos = limit
				break
			}
			w.pos = a.at
			end := s.look(kind, a)
			if s.err != nil {
				return s.err
			}
			w.pos = max(end, a.at+1)
		}
	}
	if w.err != nil {
		return fmt.Errorf("search for objects: %w", w.err)
	}
	return nil
}

// anchor returns the first anchor before limit; kind is -1 for none.
func (s *search) anchor(limit int64) (kind int, first anchor) {
	kind, first.at = -1, limit
	for k := range s.next {
		a := &s.next[k]
		if a.at < s.w.pos {
			*a = s.find(k, limit)
		}
		if a.at < first.at {
			kind, first = k, *a
		}
	}
	return kind, first
}

func (s *search) find(kind int, limit int64) (a anchor) {
	data := s.w.ahead(limit + overlap)
	at := -1
	switch kind {
	case anchorText:
		at, a.text = s.patterns.find(data)
	case anchorCBOR:
		at = bytes.Index(data, []byte(cborHead))
	case anchorProtobuf:
		at = bytes.Index(data, []byte(protobufTail))
	}
	a.at = limit
	if at >= 0 {
		a.at = s.w.pos + int64(at)
	}
	return a
}
