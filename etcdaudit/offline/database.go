package offline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// databaseSource reads one database file: its live keys, the older versions beside them, and
// what is left in pages that it no longer uses. Where the file is in use, or is no database as
// a whole, it is one layer that is not determined.
type databaseSource struct {
	name string
	file *os.File
	in   io.ReaderAt
	// opened is what the file was before anything of it was read.
	opened fs.FileInfo
	size   int64 // of the database, without the hash behind it

	db   *bolt.File
	keys bolt.Bucket
	// loose is why the layers are not determined; empty if they are. broken is set where that
	// is damage, and not that the file is in use.
	loose  string
	broken bool
	hash   []byte // what the Snapshot RPC has sent behind the database; nil for none

	prefix  []byte // with its last slash
	scopes  []record.Scope
	remains map[record.Layer]*record.Remains
	search  *carve.Searcher

	records []record.Record
	memory  int64  // see Options
	leaf    []byte // the run that is read, used again for the next one
	outside int64
}

var _ record.Leaver = (*databaseSource)(nil)

// usualPage is the size of bbolt's pages where no meta page tells it, in bytes: that of the
// machine's memory, which is larger on some only.
const usualPage = 4096

// apiCompaction is the key that API servers keep for their compaction, outside of their prefix.
const apiCompaction = "compact_rev_key"

func (s *Set) openDatabase(ctx context.Context, f found, o Options) (*databaseSource, error) {
	in, opened, err := s.openFile(ctx, f.database, o)
	if err != nil {
		return nil, err
	}
	d := &databaseSource{name: opened.name, file: in, in: count(in, o.Progress), size: opened.size, memory: o.Memory, remains: map[record.Layer]*record.Remains{}}
	if opened.kind == snapshot {
		d.size -= hashSize
		d.hash = make([]byte, hashSize)
		if _, err := in.ReadAt(d.hash, d.size); err != nil {
			return nil, &Error{What: "read the hash of " + d.name, Err: reason(err)}
		}
	}
	info, err := in.Stat()
	if err != nil {
		return nil, &Error{What: "look at " + d.name, Err: reason(err)}
	}
	d.opened = info
	if pid := usedBy(info); pid != 0 {
		d.loose = fmt.Sprintf("process %d uses the file", pid)
	}
	if d.db, err = bolt.Open(in, d.size); err != nil {
		var read *os.PathError
		if errors.As(err, &read) {
			return nil, &Error{What: "read " + d.name, Err: read.Err, Do: "is its disk damaged?"}
		}
		d.loose, d.broken, d.db = err.Error(), true, bolt.Pages(in, d.size, usualPage)
	} else if err := d.findKeys(ctx); err != nil {
		return nil, err
	}
	prefix := o.Prefix
	if prefix == "" && d.keys.Name != nil {
		if prefix, err = findPrefix(ctx, d.db, d.keys); err != nil {
			return nil, &Error{What: "read " + d.name, Err: reason(err)}
		}
		if prefix == "" && d.loose == "" {
			return nil, noPrefix(d.name, "")
		}
		if prefix != "" && prefix != usual()[0] {
			s.Chosen = append(s.Chosen, fmt.Sprintf("keys under %s, as %s has them", prefix, d.name))
		}
	}
	d.setPrefix(prefix, o)
	scope := record.Scope{
		Members: membersOf(ctx, d.db), Copy: f.copy, Prefix: string(d.prefix), Time: o.Now(), Outside: -1,
		Sources: []record.Input{{Name: d.name, Bytes: opened.size, Modified: opened.modified}}, MemberIDs: memberIDs(ctx, d.db),
	}
	if d.loose != "" {
		s.Chosen = append(s.Chosen, d.name+" is searched byte by byte: "+d.loose)
	}
	layers := []record.Layer{record.Live, record.History, record.FreePages}
	if d.loose != "" {
		layers = []record.Layer{record.Undetermined}
	}
	for _, layer := range layers {
		scope.Layer = layer
		d.scopes = append(d.scopes, scope)
		d.remains[layer] = &record.Remains{}
	}
	return d, nil
}

func (d *databaseSource) setPrefix(prefix string, o Options) {
	if prefix == "" {
		prefix = usual()[0]
	}
	prefix = string(bytes.TrimRight([]byte(prefix), "/"))
	d.prefix = []byte(prefix + "/")
	d.search = carve.New(carve.Options{Prefix: prefix, Resources: o.Resources})
}

// findKeys finds the bucket that etcd's keys are in.
func (d *databaseSource) findKeys(ctx context.Context) error {
	buckets, damage, err := d.db.Buckets(ctx)
	if err != nil {
		return &Error{What: "read " + d.name, Err: reason(err)}
	}
	for _, b := range buckets {
		if string(b.Name) == mvcc.KeyBucket {
			d.keys = b
			return nil
		}
	}
	if d.loose != "" {
		return nil
	}
	if damage.Any() {
		d.loose, d.broken = "the tree of the database is damaged: "+damage.First[0].Reason, true
		return nil
	}
	return &Error{What: d.name + " is a database without etcd's keys", Do: "name the database of an etcd (member/snap/db) or a snapshot"}
}

// of says of which member and cluster the file is.
func (d *databaseSource) of(cluster, member string) {
	for i := range d.scopes {
		d.scopes[i].ClusterID, d.scopes[i].Member = cluster, member
	}
}

// Scopes returns one scope for each layer.
func (d *databaseSource) Scopes() []record.Scope { return d.scopes }

// Remains returns what was met beside records.
func (d *databaseSource) Remains() map[record.Layer]*record.Remains { return d.remains }

// Read reads the file: first the tree, from the newest revision to the oldest, then the rest.
func (d *databaseSource) Read(ctx context.Context, add func([]record.Record) error) error {
	err := d.checkHash(ctx)
	if err != nil {
		return err
	}
	if d.broken {
		d.damaged(0, d.loose)
	}
	reach := &bolt.Reach{}
	if d.loose == "" {
		if reach, err = d.db.Reach(ctx); err != nil {
			return d.failed(ctx, err)
		}
		d.scopes[len(d.scopes)-1].Bytes = d.size - reach.Pages*d.db.Meta().PageSize
		for _, at := range reach.First {
			d.damaged(at.Offset, at.Reason)
		}
		d.remains[record.Live].Damaged += int64(reach.More)
		if err := d.readTree(ctx, add); err != nil {
			return d.failed(ctx, err)
		}
	}
	if err := d.readRest(ctx, reach, add); err != nil {
		return d.failed(ctx, err)
	}
	after, err := d.file.Stat()
	if err != nil {
		return &Error{What: "look at " + d.name, Err: reason(err)}
	}
	if (d.loose == "" || d.broken) && (usedBy(after) != 0 || d.opened.Size() != after.Size() || !d.opened.ModTime().Equal(after.ModTime())) {
		return &Error{What: d.name + " was changed while it was read, so that its parts do not fit each other", Do: "take a snapshot (etcdctl snapshot save), or one of the file system, and scan that"}
	}
	return nil
}

// failed is an error with what was read; those of add and of the context are left as they are.
func (d *databaseSource) failed(ctx context.Context, err error) error {
	var read *os.PathError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("read %s: %w", d.name, context.Cause(ctx))
	case errors.As(err, &read):
		return &Error{What: "read " + d.name, Err: read.Err, Do: "is its disk damaged?"}
	}
	return err
}

// checkHash reads the file once, and compares with what the Snapshot RPC has sent behind it.
func (d *databaseSource) checkHash(ctx context.Context) error {
	if d.loose != "" && !d.broken {
		return nil // it would be that of no state of the file
	}
	sum, err := hashOf(ctx, d.file, d.size)
	if err != nil {
		return d.failed(ctx, err)
	}
	if d.hash != nil && !bytes.Equal(sum.Sum(nil), d.hash) {
		d.damaged(d.size, "the hash that etcd has sent with the snapshot is not that of the file: it was changed or damaged")
	}
	if d.hash != nil {
		_, _ = sum.Write(d.hash)
	}
	for i := range d.scopes {
		d.scopes[i].Sources[0].Hash = fmt.Sprintf("sha256:%x", sum.Sum(nil))
	}
	return nil
}

// hashOf reads so many bytes of a file once.
func hashOf(ctx context.Context, file io.ReaderAt, size int64) (hash.Hash, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, cancelled{ctx, io.NewSectionReader(file, 0, size)})
	return sum, err
}

// damaged notes what is wrong with the file, in its first layer.
func (d *databaseSource) damaged(at int64, what string) {
	layer := d.scopes[0].Layer
	d.remains[layer].AddDamage(record.Origin{Layer: layer, File: d.name, Offset: at}, what)
}

// readTree reads the versions that the database holds. They are in the order of their
// revisions: from the end, the first one of a key is its newest.
func (d *databaseSource) readTree(ctx context.Context, add func([]record.Record) error) error {
	seen := mvcc.NewSeen()
	var newest mvcc.Revision
	var live int64
	damage, err := d.db.Leaves(ctx, d.keys, true, func(l bolt.Leaf) error {
		d.records = d.records[:0]
		for i := l.Len() - 1; i >= 0; i-- {
			key, value, offset, err := l.Element(i)
			if err != nil {
				continue // Reach has it as damage
			}
			rev, tombstone, ok := mvcc.ParseRevision(key)
			if !ok {
				d.damaged(l.Offset, "a key of the store that is no revision")
				continue
			}
			if rev.Main > newest.Main {
				newest = rev
			}
			v, ok := mvcc.ParseVersion(value)
			if !ok {
				d.damaged(offset, "a version that is no mvccpb.KeyValue")
				continue
			}
			first := seen.Add(v.Key)
			if !bytes.HasPrefix(v.Key, d.prefix) {
				if first && !tombstone && string(v.Key) != apiCompaction {
					d.outside++
				}
				continue
			}
			layer := record.History
			if first && !tombstone {
				layer = record.Live
				live++
			}
			d.records = append(d.records, record.Record{
				Key: v.Key, Value: v.Value, CreateRevision: v.CreateRevision, ModRevision: rev.Main, Version: v.Version, Lease: v.Lease, Tombstone: tombstone,
				Origin: record.Origin{Layer: layer, File: d.name, Offset: offset + int64(v.ValueAt)},
			})
		}
		if d.memory > 0 && seen.Bytes() > d.memory {
			return &Error{What: fmt.Sprintf("%s has so many keys that the set of them takes more than the %d MiB that --memory leaves for it", d.name, d.memory>>20), Do: "raise --memory"}
		}
		return add(d.records)
	})
	_ = damage // that of Reach, which has walked the same pages
	if err != nil {
		return err
	}
	if live == 0 && d.outside > 0 {
		return noPrefix(d.name, string(d.prefix))
	}
	for i := range d.scopes {
		d.scopes[i].Revision, d.scopes[i].Outside = newest.Main, d.outside
	}
	d.scopes[0].Keys = live
	return nil
}
