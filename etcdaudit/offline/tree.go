package offline

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/term"
)

// batch is what one processor reads of the tree at a time.
type batch struct {
	leaves []bolt.Leaf
	done   func()
	// records are the versions, the newest first, each as an old one; sums what stands for their
	// keys, sizes what they take in the file, in bytes, and values what their values are.
	records []record.Record
	sums    []uint64
	sizes   []int64
	values  []storedvalue.Value
	newest  int64 // revision
	damage  []record.Damage
	unread  []bolt.Gap // where values may be that damage has cut off
}

// elementHeader is what a page has of each key and value beside their bytes
// (go.etcd.io/bbolt/internal/common/page.go).
const elementHeader = 16

// readTree reads the versions that the database holds, on all processors. They are in the order
// of their revisions: from the end, the first one of a key is its newest. It returns the pages
// that the database reaches.
func (d *databaseSource) readTree(ctx context.Context, add func([]record.Record) error) (reach *bolt.Reach, err error) {
	seen := mvcc.NewSeen()
	var newest, live, all, superseded int64
	var used sync.Pool
	err = inOrder(ctx,
		func(ctx context.Context, put func(*batch) error) (err error) {
			reach, err = d.db.Walk(ctx, d.keys, true, func(leaves []bolt.Leaf, done func()) error {
				b, ok := used.Get().(*batch)
				if !ok {
					b = &batch{}
				}
				*b = batch{leaves: leaves, done: done, records: b.records[:0], sums: b.sums[:0], sizes: b.sizes[:0], values: b.values}
				return put(b)
			})
			return err
		},
		func(_ context.Context, b *batch) error {
			for _, l := range b.leaves {
				b.read(l, d.name, seen)
			}
			b.values = parse(b.records, b.values)
			return nil
		},
		func(b *batch) error {
			newest = max(newest, b.newest)
			for _, of := range b.damage {
				d.damaged(of.Origin.Offset, of.What)
			}
			seen.Add(b.sums)
			for i, size := range b.sizes {
				if all += size; !b.newestOfKey(i) {
					superseded += size
				}
			}
			within, current := d.current(b)
			live += current
			if d.memory > 0 && seen.Bytes() > d.memory {
				return &Error{What: fmt.Sprintf("%s has so many keys that the set of them takes more than the %s that --memory leaves for it", d.name, term.Size(d.memory)), Do: "raise --memory"}
			}
			if err := add(within); err != nil {
				return err
			}
			if err := d.searchGaps(ctx, b.unread, add); err != nil {
				return err
			}
			b.done()
			used.Put(b)
			return nil
		})
	if err != nil {
		return nil, err
	}
	for i := range d.scopes {
		d.scopes[i].Revision, d.scopes[i].Outside = newest, d.outside
		if d.scopes[i].Layer == record.History {
			// Pages are not full: what is superseded has its share of them.
			d.scopes[i].Bytes = int64(float64(reach.Pages*d.db.Meta().PageSize) * float64(superseded) / float64(max(all, 1)))
		}
	}
	d.scopes[0].Keys = live
	return reach, nil
}

// searchGaps finds the objects in parts of the tree's leaves that cannot be read as versions. Which
// of them are live is not known: they are given with what the tree does not reach.
func (d *databaseSource) searchGaps(ctx context.Context, gaps []bolt.Gap, add func([]record.Record) error) error {
	at := record.Origin{Layer: d.scopes[len(d.scopes)-1].Layer, File: d.name}
	for _, gap := range gaps {
		if err := objects(ctx, d.search, d.in, at, string(d.prefix), gap.Offset, gap.Offset+gap.Length, add); err != nil {
			return err
		}
	}
	return nil
}

// current decides which of the records are the newest of their keys, and leaves out those that
// are outside of the prefix. It returns the others, and how many are live.
func (d *databaseSource) current(b *batch) (within []record.Record, live int64) {
	within = b.records[:0]
	for i := range b.records {
		rec := &b.records[i]
		newest := b.newestOfKey(i)
		switch {
		case bytes.HasPrefix(rec.Key, d.prefix):
			if newest {
				rec.Origin.Layer = record.Live
				live++
			}
			within = append(within, *rec)
		case newest && string(rec.Key) != apiCompaction:
			d.outside++
		}
	}
	return within, live
}

// newestOfKey reports whether a version is the value that its key has: seen has left its sum.
func (b *batch) newestOfKey(i int) bool { return b.sums[i] != 0 && !b.records[i].Tombstone }

// read adds the versions of a leaf.
func (b *batch) read(l bolt.Leaf, file string, seen *mvcc.Seen) {
	damaged := func(at int64, what string, from int64, value []byte) {
		b.damage = append(b.damage, record.Damage{Origin: record.Origin{Offset: at}, What: what})
		b.unread = append(b.unread, bolt.Gap{Offset: from, Length: int64(len(value))})
	}
	b.unread = append(b.unread, l.Gaps()...)
	for i := l.Len() - 1; i >= 0; i-- {
		key, value, offset, err := l.Element(i)
		if err != nil {
			continue // the walk has it as damage
		}
		rev, tombstone, ok := mvcc.ParseRevision(key)
		if !ok {
			damaged(l.Offset, "a key of the store that is no revision", offset, value)
			continue
		}
		b.newest = max(b.newest, rev.Main)
		v, ok := mvcc.ParseVersion(value)
		if !ok {
			damaged(offset, "a version that is no mvccpb.KeyValue", offset, value)
			continue
		}
		b.sums = append(b.sums, seen.Sum(v.Key))
		b.sizes = append(b.sizes, int64(len(key)+len(value))+elementHeader)
		b.records = append(b.records, record.Record{
			Key: v.Key, Value: v.Value, CreateRevision: v.CreateRevision, ModRevision: rev.Main, Version: v.Version, Lease: v.Lease, Tombstone: tombstone,
			Origin: record.Origin{Layer: record.History, File: file, Offset: offset + int64(v.ValueAt)},
		})
	}
}

// parse says of each record what its value is, in values or in more room.
func parse(records []record.Record, values []storedvalue.Value) []storedvalue.Value {
	if cap(values) < len(records) {
		values = make([]storedvalue.Value, len(records))
	}
	values = values[:len(records)]
	for i := range records {
		values[i] = storedvalue.Parse(records[i].Value)
		records[i].Parsed = &values[i]
	}
	return values
}
