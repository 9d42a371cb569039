package offline

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// readRest reads the pages that the database does not reach, on all processors. An intact leaf
// is read as the tree's are; in all else objects are searched for. No name is read across the
// end of a page that nothing shows to belong to the one before it.
func (d *databaseSource) readRest(ctx context.Context, reach *bolt.Reach, add func([]record.Record) error) error {
	layer := d.scopes[len(d.scopes)-1].Layer
	var used sync.Pool
	fresh := func() *lot {
		if l, ok := used.Get().(*lot); ok {
			*l = lot{parts: l.parts[:0], pieces: l.pieces[:0], buf: l.buf, records: l.records[:0], values: l.values}
			return l
		}
		return &lot{}
	}
	ends := false // of the run that is read
	return inOrder(ctx,
		func(ctx context.Context, put func(*lot) error) error { return d.lots(ctx, reach, fresh, put) },
		func(ctx context.Context, l *lot) error {
			if l.size() > lotSize {
				return nil // it is read alone: several of these would take too much memory
			}
			return d.readLot(ctx, reach, l, layer)
		},
		func(l *lot) error {
			if l.size() > lotSize {
				return d.readLarge(ctx, l.pieces[0].run, layer, add)
			}
			if err := add(l.records); err != nil {
				return err
			}
			for _, p := range l.pieces {
				if p.run.Kind != bolt.Headless || layer == record.Undetermined {
					continue // there the pages of live values may have no header of their own either
				}
				ends = ends || p.end
				if p.to == p.run.Offset+p.run.Length {
					d.remains[layer].AddFragment(record.Origin{Layer: layer, File: d.name, Offset: p.run.Offset}, p.run.Length, ends)
					ends = false
				}
			}
			used.Put(l)
			return nil
		})
}

// readLarge reads a run that is too long for a lot.
func (d *databaseSource) readLarge(ctx context.Context, run bolt.Run, layer record.Layer, add func([]record.Record) error) error {
	search := func(from, to int64) error {
		return objects(ctx, d.search, d.in, record.Origin{Layer: layer, File: d.name}, string(d.prefix), from, to, add)
	}
	if run.Cut {
		return search(run.Offset, run.Offset+run.Length)
	}
	l, buf, err := d.db.Leaf(run, d.leaf)
	d.leaf = buf
	if changed(err, layer) {
		return search(run.Offset, run.Offset+run.Length)
	}
	if err != nil {
		return err
	}
	d.records = d.records[:0]
	if err := d.versions(&d.records, l, layer, search); err != nil {
		return err
	}
	return add(d.records)
}

// versions adds the versions of a leaf that was freed as a whole. A small bucket lies within a
// value: that is searched.
func (d *databaseSource) versions(records *[]record.Record, l bolt.Leaf, layer record.Layer, search func(from, to int64) error) error {
	for i := range l.Len() {
		key, value, offset, err := l.Element(i)
		if err != nil {
			continue
		}
		if l.IsBucket(i) {
			if err := search(offset, offset+int64(len(value))); err != nil {
				return err
			}
			continue
		}
		rev, tombstone, isRevision := mvcc.ParseRevision(key)
		v, isVersion := mvcc.ParseVersion(value)
		if !isRevision || !isVersion { // of another bucket, or damaged
			if err := search(offset, offset+int64(len(value))); err != nil {
				return err
			}
			continue
		}
		if !bytes.HasPrefix(v.Key, d.prefix) {
			continue
		}
		*records = append(*records, record.Record{
			Key: v.Key, Value: v.Value, CreateRevision: v.CreateRevision, ModRevision: rev.Main, Version: v.Version, Lease: v.Lease, Tombstone: tombstone,
			Origin: record.Origin{Layer: layer, File: d.name, Offset: offset + int64(v.ValueAt)},
		})
	}
	for _, gap := range l.Gaps() {
		if err := search(gap.Offset, gap.Offset+gap.Length); err != nil {
			return err
		}
	}
	return nil
}

// headOf is how much of a value is read again to tell its encoding, in bytes.
const headOf = 4096

// objects gives the objects within [from, to) as records.
func objects(ctx context.Context, s *carve.Searcher, in io.ReaderAt, at record.Origin, prefix string, from, to int64, add func([]record.Record) error) error {
	var head [headOf]byte
	return s.Search(ctx, in, from, to, func(h carve.Hit) error {
		if h.End {
			return nil
		}
		n, err := in.ReadAt(head[:endOfHead(h, to)-h.Offset], h.Offset)
		if n == 0 && err != nil {
			return err
		}
		return add([]record.Record{recordOf(h, head[:n], at, prefix)})
	})
}

// endOfHead is where the part of a hit ends that is its record's value. What is searched ends at to.
func endOfHead(h carve.Hit, to int64) int64 {
	end := min(h.Offset+headOf, to)
	if h.Length >= 0 {
		end = min(end, h.Offset+h.Length)
	}
	return end
}

// recordOf is a hit as a record, with the beginning of the value.
func recordOf(h carve.Hit, head []byte, at record.Origin, prefix string) record.Record {
	rec := record.Record{
		Key: h.Key, Value: head, Head: true, Named: h.Key == nil, Within: h.Embedded,
		CreateRevision: h.CreateRevision, ModRevision: h.ModRevision, Version: h.Version, Origin: at,
	}
	rec.Origin.Offset = h.Offset
	switch {
	case h.Embedded:
		rec.Key = h.EmbeddedIn
	case h.Key == nil:
		rec.Key = keyOf(prefix, h)
	}
	return rec
}

// keyOf is the key of an object that carries its names and has no key beside it.
func keyOf(prefix string, h carve.Hit) []byte {
	key := append([]byte(prefix), h.Resource.Path...)
	key = append(key, '/')
	if len(h.Namespace) > 0 {
		key = append(append(key, h.Namespace...), '/')
	}
	return append(key, h.Name...)
}
