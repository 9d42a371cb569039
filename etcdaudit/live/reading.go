package live

import (
	"bytes"
	"context"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// reading is one Read of a snapshot.
type reading struct {
	snap *Snapshot
	add  func([]record.Record) error
	op   string

	// from is where the rest begins, and last the key before it; nil at the beginning.
	from     string
	last     []byte
	revision int64
	// read is how many keys were given to add.
	read int64
	// stopped is the error that add has returned.
	stopped error
	pace    pace

	frame frame
	got   answer // of a stream
}

func (snap *Snapshot) newReading(add func([]record.Record) error) *reading {
	return &reading{
		snap: snap, add: add, from: snap.Prefix, revision: snap.Revision, pace: pace{rate: snap.store.config.Rate},
		op: snap.reading(), got: answer{prefix: []byte(snap.Prefix)},
	}
}

func (snap *Snapshot) reading() string {
	return fmt.Sprintf("read the keys under %s at revision %d", snap.Prefix, snap.Revision)
}

// request is for what lies from the cursor to end.
func (r *reading) request(end string) *pb.RangeRequest {
	return &pb.RangeRequest{Key: []byte(r.from), RangeEnd: []byte(end), Revision: r.revision, Serializable: r.snap.local()}
}

func (r *reading) decoded(err error) error {
	if err != nil {
		return inconsistent(r.op, "an answer is no answer of etcd: %v", err)
	}
	return nil
}

// take gives an answer to add, and moves the cursor behind it.
func (r *reading) take(ctx context.Context, got *answer) error {
	if err := r.check(got); err != nil {
		return err
	}
	n := len(got.records)
	if n == 0 {
		return nil
	}
	r.last = append(r.last[:0], got.records[n-1].Key...)
	r.from = string(r.last) + "\x00"
	r.read += int64(n)
	if r.stopped = r.add(got.records); r.stopped != nil {
		return r.stopped
	}
	clear(got.records) // lest somebody uses them for longer than the frame lasts
	r.pace.wait(ctx, got.size)
	return nil
}

// check refuses an answer that a sound etcd does not give. Without it a
// member that answers for another cluster, or the same page again and again,
// would end in a verdict about something else.
func (r *reading) check(got *answer) error {
	if got.header {
		if err := r.snap.answered(r.op, got.clusterID, got.memberID); err != nil {
			return err
		}
	}
	if len(got.records) == 0 && got.more {
		return inconsistent(r.op, "an empty page says that more follows")
	}
	last := r.last
	for i := range got.records {
		rec := &got.records[i]
		switch {
		case last != nil && bytes.Compare(rec.Key, last) <= 0:
			return inconsistent(r.op, "key %q comes after %q", rec.Key, last)
		case rec.ModRevision > r.revision:
			return inconsistent(r.op, "key %q is of the later revision %d", rec.Key, rec.ModRevision)
		}
		last = rec.Key
	}
	return nil
}

// pace keeps to a number of bytes a second.
type pace struct {
	rate  int64 // 0 for no limit
	start time.Time
	read  int64
}

// wait returns when so many more bytes are due.
func (p *pace) wait(ctx context.Context, size int64) {
	if p.rate == 0 {
		return
	}
	if p.start.IsZero() {
		p.start = time.Now()
	}
	p.read += size
	due := p.start.Add(time.Duration(float64(p.read) / float64(p.rate) * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done(): // the next request says so
	case <-timer.C:
	}
}
