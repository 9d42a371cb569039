package live

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// maxReadings is how often a store is read from the beginning, before it is said that the result
// is not exact.
const maxReadings = 3

// Read gives every key and value of the snapshot to add, in the order of the keys, a few MiB
// at a time. It returns nil only if as many keys were read as etcd counted.
//
// If etcd compacts the revision meanwhile, Read goes on behind the last key at a new one, and
// then takes back, and gives anew, what has changed before that key, as a watch has told it:
// Scopes names the parts, and all is as it was at the revision of the last. Where the watch has
// not told everything it returns record.ErrRepeat, and the third time nil, with Scope.Inexact
// set.
func (snap *Snapshot) Read(ctx context.Context, add func([]record.Record) error) error {
	if snap.readings++; snap.readings > 1 {
		again, err := snap.store.Pin(ctx, snap.Prefix)
		if err != nil {
			return err
		}
		again.readings = snap.readings
		*snap = *again
	}
	r := snap.newReading(add)
	if snap.StandIn != "" { // they compact nothing that is asked for within minutes
		return r.counted(snap.read(ctx, r))
	}
	changes := snap.follow(ctx)
	defer changes.stop()
	err := snap.read(ctx, r)
	for n := int64(-1); errors.Is(err, rpctypes.ErrCompacted) && r.read > n; {
		n = r.read
		if err = r.goOn(ctx); err == nil {
			err = snap.read(ctx, r)
		}
	}
	if err != nil || len(snap.Parts) == 0 {
		return r.counted(err)
	}
	why, err := r.catchUp(ctx, changes)
	switch {
	case err != nil || why == "":
		return r.counted(err)
	case snap.readings < maxReadings:
		return fmt.Errorf("%s: %w: %s", r.op, record.ErrRepeat, why)
	}
	snap.Inexact, snap.Revision, snap.Keys = why, 0, 0
	return nil
}

// goOn takes a new revision for the rest, with the number of keys at it.
func (r *reading) goOn(ctx context.Context) error {
	snap := r.snap
	now, err := r.newer(ctx)
	if err != nil {
		return err
	}
	if len(snap.Parts) == 0 {
		snap.Parts = []record.Part{{From: snap.Prefix, Revision: snap.Revision}}
	}
	snap.Revision, snap.Keys = now.Header.Revision, now.Count
	r.revision, r.op = snap.Revision, snap.reading()
	if last := &snap.Parts[len(snap.Parts)-1]; last.From == r.from {
		last.Revision = r.revision
	} else {
		snap.Parts = append(snap.Parts, record.Part{From: r.from, Revision: r.revision})
	}
	return nil
}

// newer counts the keys at a later revision than the one that was compacted. A member that answers by
// itself may not have come so far.
func (r *reading) newer(ctx context.Context) (*clientv3.GetResponse, error) {
	const op = "take a new revision"
	snap := r.snap
	for n := 1; ; n++ {
		now, err := snap.store.get(ctx, op, snap.Prefix, clientv3.WithRange(snap.end()), clientv3.WithCountOnly())
		if err == nil {
			err = snap.answered(op, now.Header.ClusterId, now.Header.MemberId)
		}
		if err != nil || now.Header.Revision > r.revision {
			return now, err
		}
		if n >= maxRepeats {
			return nil, &Error{
				Op: op, What: fmt.Sprintf("a member that answers is behind: it is at revision %d, and %d was compacted", now.Header.Revision, r.revision),
				Do: "run again when it has caught up, without --consistency serializable, or leave it out of --endpoints",
			}
		}
		snap.store.pause(ctx, nil) // where ctx ends, the next request says so
	}
}

// counted returns err, or an error if not as many keys were read as etcd counts.
func (r *reading) counted(err error) error {
	if err != nil || r.read == r.snap.Keys {
		return err
	}
	e := inconsistent(r.op, "%d keys were read, but etcd counts %d", r.read, r.snap.Keys)
	if r.snap.StandIn != "" {
		e.Do = "nothing is reported; older versions of kine count at their current revision: run again while nothing is written"
	}
	return e
}
