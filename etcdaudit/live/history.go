package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// History is what a running etcd keeps of the values under a prefix that were overwritten or deleted
// up to the revision of a snapshot: a record.Source of one layer. A watch from the oldest revision
// that etcd still has tells each of them, once: with the write that replaced it.
type History struct {
	record.Scope

	snap     *Snapshot
	readings int
}

var _ record.Source = (*History)(nil)

// History is that of the snapshot; nil where what answers in place of etcd keeps none that it tells.
func (snap *Snapshot) History() *History {
	if snap.StandIn != "" {
		return nil
	}
	h := &History{snap: snap, Scope: snap.Scope}
	h.Layer, h.Keys, h.Outside = record.History, 0, -1
	return h
}

// Scopes returns the one scope.
func (h *History) Scopes() []record.Scope { return []record.Scope{h.Scope} }

// Read gives every value to add, in the order in which they were replaced. Where etcd compacts
// meanwhile it returns record.ErrRepeat, and the third time an error.
func (h *History) Read(ctx context.Context, add func([]record.Record) error) error {
	h.readings++
	r := &replacedBefore{h: h, add: add, revision: h.snap.Revision, pace: pace{rate: h.snap.store.config.Rate}}
	if h.Revision = r.revision; h.snap.Inexact != "" {
		return &Error{Op: h.op(), What: "the live values beside it were read at no single revision", Do: "run again while less is written"}
	}
	// Only etcd knows what it has compacted: it is asked for everything, and answers with that.
	compacted, err := r.follow(ctx, 1)
	if compacted > 0 && !r.given {
		compacted, err = r.follow(ctx, compacted+1)
	}
	switch {
	case compacted > 0 && h.readings < maxReadings:
		return fmt.Errorf("%s: %w: etcd has compacted revision %d meanwhile", h.op(), record.ErrRepeat, compacted)
	case compacted > 0:
		return &Error{Op: h.op(), What: fmt.Sprintf("etcd has compacted revision %d meanwhile, again and again", compacted), Do: "name the data directory of a member, or read on its node"}
	}
	return err
}

func (h *History) op() string { return fmt.Sprintf("read the history under %s", h.Prefix) }

// replacedBefore is one reading of a history.
type replacedBefore struct {
	h        *History
	add      func([]record.Record) error
	revision int64 // nothing that was replaced later is history
	records  []record.Record
	given    bool // anything to add
	pace     pace
}

// follow reads the watch from a revision on. compacted is the revision up to which etcd has nothing
// any more, if the watch begins, or has come, there.
func (r *replacedBefore) follow(ctx context.Context, from int64) (compacted int64, err error) {
	if from > r.revision {
		return 0, nil // nothing is left; and a watch of the future is never said to have come anywhere
	}
	snap := r.h.snap
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := snap.store.client.Watch(ctx, r.h.Prefix, clientv3.WithPrefix(), clientv3.WithRev(from), clientv3.WithPrevKV(), clientv3.WithFragment())
	ask := time.NewTicker(askProgress)
	defer ask.Stop()
	limit := time.NewTimer(snap.store.timeout)
	defer limit.Stop()
	for {
		select {
		case answer, open := <-told:
			limit.Reset(snap.store.timeout)
			switch err := answer.Err(); {
			case ctx.Err() != nil:
				return 0, fmt.Errorf("%s: %w", r.h.op(), context.Cause(ctx))
			case errors.Is(err, rpctypes.ErrCompacted):
				return answer.CompactRevision, nil
			case err != nil || !open:
				return 0, snap.store.explain(ctx, r.h.op(), errors.Join(err, errEnded))
			}
			if err := snap.answered(r.h.op(), answer.Header.ClusterId, answer.Header.MemberId); err != nil {
				return 0, err
			}
			if err := r.take(ctx, answer); err != nil {
				return 0, err
			}
			// An event beyond the revision, or word that all up to it were told, is the end.
			if n := len(answer.Events); n > 0 && answer.Events[n-1].Kv.ModRevision > r.revision || answer.IsProgressNotify() && answer.Header.Revision >= r.revision {
				return 0, nil
			}
		case <-ask.C:
			if err := snap.store.client.RequestProgress(ctx); err != nil && ctx.Err() == nil {
				return 0, snap.store.explain(ctx, r.h.op(), err)
			}
		case <-limit.C:
			return 0, &Error{Op: r.h.op(), What: fmt.Sprintf("etcd has said nothing of its history for %v", snap.store.timeout), Do: "run again, with a longer --timeout"}
		case <-ctx.Done():
			return 0, fmt.Errorf("%s: %w", r.h.op(), context.Cause(ctx))
		}
	}
}

var errEnded = errors.New("the watch has ended")

// take gives what the writes of an answer have replaced.
func (r *replacedBefore) take(ctx context.Context, answer clientv3.WatchResponse) error {
	r.records = r.records[:0]
	size := int64(0)
	for _, e := range answer.Events {
		switch was := e.PrevKv; {
		case e.Kv == nil:
			return inconsistent(r.h.op(), "etcd has told of a write without its key")
		case e.Kv.ModRevision > r.revision || was == nil && e.IsCreate():
		case was == nil:
			return inconsistent(r.h.op(), "etcd has not told what was replaced at revision %d", e.Kv.ModRevision)
		default:
			size += int64(len(was.Key) + len(was.Value))
			r.records = append(r.records, record.Record{
				Key: was.Key, Value: was.Value, CreateRevision: was.CreateRevision, ModRevision: was.ModRevision, Version: was.Version, Lease: was.Lease,
				Origin: record.Origin{Layer: record.History},
			})
		}
	}
	if len(r.records) == 0 {
		return nil
	}
	r.given = true
	r.pace.wait(ctx, size)
	return r.add(r.records)
}
