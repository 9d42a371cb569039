package verify

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Verifier opens records on all processors. It is used by one goroutine.
type Verifier struct {
	openers []*Opener
	results []Result
}

// maxOpeners bounds the Openers of a Verifier, and so what they keep ready.
const maxOpeners = 16

// NewVerifier returns a Verifier, with an Opener for each processor, up to 16. The
// caller clears it.
func NewVerifier(c Config) *Verifier {
	v := &Verifier{}
	for range min(runtime.GOMAXPROCS(0), maxOpeners) {
		v.openers = append(v.openers, New(c))
	}
	return v
}

// share is how many records a goroutine takes at a time: enough to make taking them
// cheap, and few enough to keep all of them busy to the end.
const share = 32

// Open returns a result for each record, in their order, valid until the next call.
func (v *Verifier) Open(ctx context.Context, records []record.Record) []Result {
	v.results = append(v.results[:0], make([]Result, len(records))...)
	var next atomic.Int64
	var all sync.WaitGroup
	for _, o := range v.openers[:min(len(v.openers), (len(records)+share-1)/share)] {
		all.Go(func() {
			for {
				to := int(next.Add(share))
				if to-share >= len(records) {
					return
				}
				for i := to - share; i < min(to, len(records)); i++ {
					v.results[i] = o.Record(ctx, records[i])
				}
			}
		})
	}
	all.Wait()
	return v.results
}

// Clear forgets the keys that were made ready.
func (v *Verifier) Clear() {
	for _, o := range v.openers {
		o.Clear()
	}
}

// Record opens the value of a record. A deletion has none: its result means nothing.
func (o *Opener) Record(ctx context.Context, rec record.Record) Result {
	switch {
	case rec.Tombstone:
		return Result{}
	case rec.Head:
		return Result{Why: "only the beginning of the value is there"}
	case rec.Within:
		return Result{Why: "the value lies within another object, which has no key of its own in etcd"}
	}
	var r Result
	if rec.Parsed != nil {
		r = o.open(ctx, rec.Key, rec.Value, *rec.Parsed)
	} else {
		r = o.Open(ctx, rec.Key, rec.Value)
	}
	if rec.Named { // its key was made of what is in the object
		r.Identity, r.Holds, r.Custom, r.Defines = Unsaid, Object{}, Kind{}, Kind{}
	}
	return r
}
