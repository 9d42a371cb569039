package offline

import (
	"bytes"
	"context"
	"io"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// readRest reads the pages that the database does not reach. An intact leaf is read as the
// tree's are; in all else objects are searched for. No name is read across the end of a page
// that nothing shows to belong to the one before it.
func (d *databaseSource) readRest(ctx context.Context, reach *bolt.Reach, add func([]record.Record) error) error {
	layer := d.scopes[len(d.scopes)-1].Layer
	page := d.db.Meta().PageSize
	return d.db.Rest(ctx, reach, func(run bolt.Run) error {
		switch {
		case run.Kind == bolt.LeafPage && !run.Cut:
			l, buf, err := d.db.Leaf(run, d.leaf)
			d.leaf = buf
			if err != nil {
				return err
			}
			return d.freeLeaf(ctx, l, layer, add)
		case run.Kind == bolt.LeafPage:
			_, err := d.carve(ctx, run.Offset, run.Offset+run.Length, layer, add)
			return err
		case run.Kind != bolt.Headless:
			return nil // pages that hold no values
		}
		ends := false
		for at := run.Offset; at < run.Offset+run.Length; at += page {
			end, err := d.carve(ctx, at, min(at+page, run.Offset+run.Length), layer, add)
			if err != nil {
				return err
			}
			ends = ends || end
		}
		if layer == record.Undetermined {
			return nil // the pages of live values may have no header of their own either
		}
		d.remains[layer].AddFragment(record.Origin{Layer: layer, File: d.name, Offset: run.Offset}, run.Length, ends)
		return nil
	})
}

// freeLeaf reads the versions of a leaf that was freed as a whole.
func (d *databaseSource) freeLeaf(ctx context.Context, l bolt.Leaf, layer record.Layer, add func([]record.Record) error) error {
	d.records = d.records[:0]
	for i := range l.Len() {
		key, value, offset, err := l.Element(i)
		if err != nil {
			continue
		}
		if l.IsBucket(i) { // a small bucket lies within the value
			if _, err := d.carve(ctx, offset, offset+int64(len(value)), layer, add); err != nil {
				return err
			}
			continue
		}
		rev, tombstone, ok := mvcc.ParseRevision(key)
		if !ok {
			continue // of another bucket
		}
		v, ok := mvcc.ParseVersion(value)
		if !ok || !bytes.HasPrefix(v.Key, d.prefix) {
			continue
		}
		d.records = append(d.records, record.Record{
			Key: v.Key, Value: v.Value, CreateRevision: v.CreateRevision, ModRevision: rev.Main, Version: v.Version, Lease: v.Lease, Tombstone: tombstone,
			Origin: record.Origin{Layer: layer, File: d.name, Offset: offset + int64(v.ValueAt)},
		})
	}
	return add(d.records)
}

// carve searches bytes that belong together. ends is set where an object ends there that
// begins elsewhere.
func (d *databaseSource) carve(ctx context.Context, from, to int64, layer record.Layer, add func([]record.Record) error) (ends bool, err error) {
	return objects(ctx, d.search, d.in, record.Origin{Layer: layer, File: d.name}, string(d.prefix), from, to, add)
}

// headOf is how much of a value is read again to tell its encoding, in bytes.
const headOf = 4096

// objects gives the objects within [from, to) as records.
func objects(ctx context.Context, s *carve.Searcher, in io.ReaderAt, at record.Origin, prefix string, from, to int64, add func([]record.Record) error) (ends bool, err error) {
	var head [headOf]byte
	err = s.Search(ctx, in, from, to, func(h carve.Hit) error {
		if h.End {
			ends = true
			return nil
		}
		length := min(int64(headOf), to-h.Offset)
		if h.Length >= 0 {
			length = min(length, h.Length)
		}
		n, err := in.ReadAt(head[:length], h.Offset)
		if n == 0 && err != nil {
			return err
		}
		rec := record.Record{
			Key: h.Key, Value: head[:n], Head: true, Named: h.Key == nil, Within: h.Embedded,
			CreateRevision: h.CreateRevision, ModRevision: h.ModRevision, Version: h.Version, Origin: at,
		}
		rec.Origin.Offset = h.Offset
		switch {
		case h.Embedded:
			rec.Key = h.EmbeddedIn
		case h.Key == nil:
			rec.Key = keyOf(prefix, h)
		}
		return add([]record.Record{rec})
	})
	return ends, err
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
