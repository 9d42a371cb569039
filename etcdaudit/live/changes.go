package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/term"
)

// maxChanges bounds what is kept of writes while a store is read, in bytes: of keys and values, and
// perWrite for what Go keeps beside them.
const (
	maxChanges = 32 << 20
	perWrite   = 400
)

// askProgress is how often etcd is asked how far a watch has come.
const askProgress = 200 * time.Millisecond

// change is one write, and what the key held before it; nil for nothing, or for what etcd no
// longer had.
type change struct{ now, before *mvccpb.KeyValue }

// changes are the writes under a prefix since a revision, as a watch tells them. They are kept
// until the reading has ended: only if its revision is compacted before, they are needed.
type changes struct {
	client *clientv3.Client
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu    sync.Mutex
	all   []change
	bytes int
	upTo  int64 // every write up to this revision is in all
	lost  string
}

// follow begins a watch of all that comes after the revision of the snapshot. It waits until etcd
// has confirmed that, which an etcd that hangs never does: no longer than a request may take. The
// reading then says what is wrong.
func (snap *Snapshot) follow(ctx context.Context) *changes {
	c := &changes{client: snap.store.client, upTo: snap.Revision}
	ctx, c.cancel = context.WithCancel(ctx)
	begun := make(chan struct{})
	c.ended.Go(func() {
		told := c.client.Watch(ctx, snap.Prefix, clientv3.WithPrefix(), clientv3.WithRev(snap.Revision+1), clientv3.WithPrevKV(), clientv3.WithFragment())
		close(begun)
		for answer := range told {
			c.add(answer)
		}
		c.lose("the watch has ended")
	})
	limit := time.NewTimer(snap.store.timeout)
	defer limit.Stop()
	select {
	case <-begun:
	case <-limit.C:
	case <-ctx.Done():
	}
	return c
}

func (c *changes) stop() {
	c.cancel()
	c.ended.Wait()
}

func (c *changes) add(answer clientv3.WatchResponse) {
	if err := answer.Err(); err != nil {
		c.lose("the watch has ended: " + term.Printable(err.Error()))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer.IsProgressNotify() {
		c.upTo = max(c.upTo, answer.Header.Revision)
	}
	if c.lost != "" {
		return
	}
	for _, e := range answer.Events {
		if e.Kv == nil {
			c.lost, c.all = "etcd has told of a write without its key", nil
			return
		}
		c.all = append(c.all, change{now: e.Kv, before: e.PrevKv})
		c.bytes += len(e.Kv.Key) + len(e.Kv.Value) + len(e.PrevKv.GetValue()) + perWrite
	}
	if c.bytes > maxChanges {
		c.lost, c.all = fmt.Sprintf("what was written meanwhile takes more than %d MiB", maxChanges>>20), nil
		c.cancel()
	}
}

func (c *changes) lose(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == "" {
		c.lost, c.all = why, nil
	}
}

// until waits for every write up to a revision. why is empty if they are all there.
func (c *changes) until(ctx context.Context, revision int64, limit time.Duration) (all []change, why string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ask := time.NewTicker(askProgress)
	defer ask.Stop()
	for {
		c.mu.Lock()
		upTo, lost, all := c.upTo, c.lost, c.all
		c.mu.Unlock()
		switch {
		case lost != "":
			return nil, lost
		case upTo >= revision:
			return all, ""
		}
		// It reaches the watch, although ctx is another: etcd's client finds it by the metadata of
		// requests alone, which both do not have.
		if err := c.client.RequestProgress(ctx); err != nil && ctx.Err() == nil {
			return nil, "the watch does not say how far it has come: " + term.Printable(err.Error())
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Sprintf("the watch has not come to revision %d", revision)
		case <-ask.C:
		}
	}
}

// replaced is what became of a key behind the cursor: was is what was read, and is what it holds
// now; nil for nothing.
type replaced struct{ was, is *mvccpb.KeyValue }

// since returns what became of each key up to a revision. readAt says at which revision a key was
// read: writes up to that one were seen.
func since(all []change, revision int64, readAt func(key []byte) int64) (keys map[string]replaced, why string) {
	keys = map[string]replaced{}
	for _, c := range all {
		if c.now.ModRevision > revision || c.now.ModRevision <= readAt(c.now.Key) {
			continue
		}
		key := string(c.now.Key)
		r, known := keys[key]
		if !known {
			// A deletion carries no revision of creation: something was there before it.
			if created := c.now.CreateRevision == c.now.ModRevision; !created && c.before == nil {
				return nil, "etcd no longer has what a key held before it was written"
			}
			r.was = c.before
		}
		if r.is = c.now; c.now.CreateRevision == 0 {
			r.is = nil
		}
		keys[key] = r
	}
	return keys, ""
}

// catchUp takes back what was read of the keys that have changed behind the cursor, and adds what
// they hold now, so that all is as it was at the revision of the last part.
func (r *reading) catchUp(ctx context.Context, c *changes) (why string, err error) {
	all, why := c.until(ctx, r.revision, r.snap.store.timeout)
	if why != "" {
		return why, ctx.Err()
	}
	keys, why := since(all, r.revision, r.readAt)
	if why != "" {
		return why, nil
	}
	for _, change := range keys {
		var records []record.Record
		for _, of := range []struct {
			kv        *mvccpb.KeyValue
			retracted bool
		}{{change.was, true}, {change.is, false}} {
			if of.kv == nil {
				continue
			}
			records = append(records, record.Record{
				Key: of.kv.Key, Value: of.kv.Value, CreateRevision: of.kv.CreateRevision, ModRevision: of.kv.ModRevision, Version: of.kv.Version,
				Lease: of.kv.Lease, Retracted: of.retracted, Origin: record.Origin{Layer: record.Live},
			})
			if of.retracted {
				r.read--
			} else {
				r.read++
			}
		}
		if r.stopped = r.add(records); r.stopped != nil {
			return "", r.stopped
		}
	}
	return "", nil
}

// readAt is the revision that a key was read at.
func (r *reading) readAt(key []byte) int64 {
	parts := r.snap.Parts
	i, found := slices.BinarySearchFunc(parts, string(key), func(p record.Part, key string) int {
		switch {
		case p.From < key:
			return -1
		case p.From > key:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return parts[max(i, 0)].Revision
}
