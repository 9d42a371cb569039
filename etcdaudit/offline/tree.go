package offline

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// readTree reads the versions that the database holds. They are in the order of their
// revisions: from the end, the first one of a key is its newest. It returns the pages that the
// database reaches.
func (d *databaseSource) readTree(ctx context.Context, add func([]record.Record) error) (*bolt.Reach, error) {
	seen := mvcc.NewSeen()
	var newest, live int64
	reach, err := d.db.Walk(ctx, d.keys, true, func(leaves []bolt.Leaf) error {
		d.records, d.sums = d.records[:0], d.sums[:0]
		for _, l := range leaves {
			newest = max(newest, d.readLeaf(l, seen))
		}
		seen.Add(d.sums)
		within := d.records[:0]
		for i := range d.records {
			rec := &d.records[i]
			newest := d.sums[i] != 0 && !rec.Tombstone
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
		if d.memory > 0 && seen.Bytes() > d.memory {
			return &Error{What: fmt.Sprintf("%s has so many keys that the set of them takes more than the %d MiB that --memory leaves for it", d.name, d.memory>>20), Do: "raise --memory"}
		}
		return add(within)
	})
	if err != nil {
		return nil, err
	}
	if live == 0 && d.outside > 0 {
		return nil, noPrefix(d.name, string(d.prefix))
	}
	for i := range d.scopes {
		d.scopes[i].Revision, d.scopes[i].Outside = newest, d.outside
	}
	d.scopes[0].Keys = live
	return reach, nil
}

// readLeaf adds the versions of a leaf to the records, the newest first, each as an old one, and
// what stands for its key to the sums. It returns the highest revision.
func (d *databaseSource) readLeaf(l bolt.Leaf, seen *mvcc.Seen) (newest int64) {
	for i := l.Len() - 1; i >= 0; i-- {
		key, value, offset, err := l.Element(i)
		if err != nil {
			continue // the walk has it as damage
		}
		rev, tombstone, ok := mvcc.ParseRevision(key)
		if !ok {
			d.damaged(l.Offset, "a key of the store that is no revision")
			continue
		}
		newest = max(newest, rev.Main)
		v, ok := mvcc.ParseVersion(value)
		if !ok {
			d.damaged(offset, "a version that is no mvccpb.KeyValue")
			continue
		}
		d.sums = append(d.sums, seen.Sum(v.Key))
		d.records = append(d.records, record.Record{
			Key: v.Key, Value: v.Value, CreateRevision: v.CreateRevision, ModRevision: rev.Main, Version: v.Version, Lease: v.Lease, Tombstone: tombstone,
			Origin: record.Origin{Layer: record.History, File: d.name, Offset: offset + int64(v.ValueAt)},
		})
	}
	return newest
}
