package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

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
	// as says how the file of a member that runs was read as it was at one moment; empty if it
	// was not. tail is the file itself where the member has sent that: what is behind its last
	// page is not sent.
	as   string
	tail *os.File
	size int64 // of the database, without the hash behind it

	db   *bolt.File
	keys bolt.Bucket
	// loose is why the layers are not determined; empty if they are. broken is set where that
	// is damage, and not that the file is in use.
	loose    string
	broken   bool
	unhashed bool
	hash     []byte // what the Snapshot RPC has sent behind the database; nil for none
	cut      bool   // the file ends within that hash

	prefix  []byte // with its last slash
	given   bool   // the prefix was given, and not found
	found   string // the prefix as it was found, without its last slash; empty if it was not
	scopes  []record.Scope
	remains map[record.Layer]*record.Remains
	search  *carve.Searcher

	records []record.Record
	leaf    []byte // the long run that is read, used again for the next one
	memory  int64  // see Options
	outside int64
}

var _ record.Leaver = (*databaseSource)(nil)

// usualPage is the size of bbolt's pages where no meta page tells it, in bytes: that of the
// machine's memory, which is larger on some only.
const usualPage = 4096

// minimalPage divides every size of a page, in bytes.
const minimalPage = 512

// apiCompaction is the key that API servers keep for their compaction, outside of their prefix.
const apiCompaction = "compact_rev_key"

// openDatabase opens a database. log is the one that lies beside it; nil for none.
func (s *Set) openDatabase(ctx context.Context, f found, log *logSource, o Options) (*databaseSource, error) {
	in, opened, err := s.openFile(ctx, f.database, o)
	if err != nil {
		return nil, err
	}
	d := &databaseSource{name: opened.name, file: in, memory: o.Memory, unhashed: o.Unhashed, given: o.Prefix != "", remains: map[record.Layer]*record.Remains{}}
	if d.opened, err = in.Stat(); err != nil {
		return nil, &Error{What: "look at " + d.name, Err: reason(err)}
	}
	if d.loose = inUse(d.name, d.opened); d.loose == "" && log != nil && log.scope.InUse {
		d.loose = "an etcd writes to its log"
	}
	if d.loose != "" && f.copy == copyOfDatabase {
		f.copy = "" // it was found in a folder, and is what a member uses
	}
	if d.loose != "" && f.copy == "" {
		if opened, err = s.atOneMoment(ctx, d, log, opened, o); err != nil {
			return nil, err
		}
		in = d.file
	}
	written := d.loose != ""
	d.in, d.size = count(in, o.Progress), opened.size
	if opened.kind == snapshot {
		d.size -= hashSize
		d.hash = make([]byte, hashSize)
		if _, err := in.ReadAt(d.hash, d.size); err != nil {
			return nil, &Error{What: "read the hash of " + d.name, Err: reason(err)}
		}
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
	behind := d.size - d.db.Meta().HighWater*d.db.Meta().PageSize
	d.cut = d.loose == "" && d.hash == nil && behind > 0 && behind < hashSize
	prefix := o.Prefix
	if prefix == "" {
		if prefix, err = d.findPrefix(ctx); err != nil {
			return nil, d.failed(ctx, err)
		}
		d.found = prefix
		s.chose(prefix, d.name)
	}
	d.setPrefix(prefix, o)
	scope := record.Scope{
		Cluster: clusterOf(ctx, d.db), As: d.as, InUse: written, Copy: f.copy, Prefix: string(d.prefix), Time: o.Now(), Outside: -1,
		Sources: []record.Input{{Name: d.name, Bytes: opened.size, Modified: opened.modified}},
	}
	if d.as != "" {
		scope.Sources[0].Modified = time.Time{} // what was read is of this moment, not of the last write to the file
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
	for i := range d.scopes {
		d.scopes[i].Prefix = string(d.prefix)
	}
}

// findKeys finds the bucket that etcd's keys are in. Where damage has cut off all of them, nothing
// shows which pages are in use: the layers are not determined then.
func (d *databaseSource) findKeys(ctx context.Context) error {
	buckets, damage, err := d.db.Buckets(ctx)
	if err != nil {
		return d.failed(ctx, err)
	}
	keys := slices.IndexFunc(buckets, func(b bolt.Bucket) bool { return string(b.Name) == mvcc.KeyBucket })
	if keys >= 0 {
		d.keys = buckets[keys]
		damage, err = d.db.Leaves(ctx, d.keys, true, func(bolt.Leaf) error { return errFound })
		if errors.Is(err, errFound) {
			return nil
		}
		if err != nil {
			return d.failed(ctx, err)
		}
	}
	switch {
	case d.loose != "":
	case damage.Any():
		d.loose, d.broken = "the tree of the database is damaged: "+damage.First[0].Reason, true
	case keys >= 0:
		d.loose, d.broken = "the tree of the database is damaged: it leads to no key", true
	default:
		return &Error{What: d.name + " is a database without etcd's keys", Do: "name the database of an etcd (member/snap/db) or a snapshot"}
	}
	return nil
}

// of says of which member and cluster the file is.
func (d *databaseSource) of(cluster, member string) {
	for i := range d.scopes {
		d.scopes[i].ClusterID, d.scopes[i].Member = cluster, member
	}
}

// knows reports whether a member is one of those that the database names; true where it names
// none.
func (d *databaseSource) knows(member string) bool {
	all := d.scopes[0].Cluster.Members
	return len(all) == 0 || member == "" || slices.ContainsFunc(all, func(m record.Member) bool { return m.ID == member })
}

// Scopes returns one scope for each layer.
func (d *databaseSource) Scopes() []record.Scope { return d.scopes }

// Remains returns what was met beside records.
func (d *databaseSource) Remains() map[record.Layer]*record.Remains { return d.remains }

// Read reads the file: first the tree, from the newest revision to the oldest, then the rest.
func (d *databaseSource) Read(ctx context.Context, add func([]record.Record) error) error {
	sum := startHash(ctx, d.file, d.hashed())
	defer sum.stop()
	if d.broken {
		d.damaged(0, d.loose)
	}
	if d.cut {
		d.damaged(d.size, "the file ends within the hash that etcd sends behind a snapshot: it is cut short")
	}
	found := false
	give := func(records []record.Record) error {
		found = found || len(records) > 0
		return add(records)
	}
	reach := &bolt.Reach{}
	if d.loose == "" {
		var err error
		if reach, err = d.readTree(ctx, give); err != nil {
			return d.failed(ctx, err)
		}
		d.scopes[len(d.scopes)-1].Bytes = d.size - reach.Pages*d.db.Meta().PageSize
		for _, at := range reach.First {
			d.damaged(at.Offset, at.Reason)
		}
		d.remains[record.Live].Damaged += int64(reach.More)
	}
	if err := d.readRest(ctx, reach, give); err != nil {
		return d.failed(ctx, err)
	}
	if err := d.readTail(ctx, give); err != nil {
		return d.failed(ctx, err)
	}
	if !found && d.loose == "" && d.remains[record.Live].Damaged == 0 {
		return d.noKeys()
	}
	if err := d.checkHash(ctx, sum); err != nil {
		return err
	}
	after, err := d.file.Stat()
	if err != nil {
		return &Error{What: "look at " + d.name, Err: reason(err)}
	}
	if (d.loose == "" || d.broken) && (d.as == "" && inUse(d.name, after) != "" || d.opened.Size() != after.Size() || !d.opened.ModTime().Equal(after.ModTime())) {
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

// hashed is how much of the file is hashed, in bytes: nothing of one that is in use, since that
// would be the hash of no state of the file.
func (d *databaseSource) hashed() int64 {
	if d.unhashed || d.loose != "" && !d.broken {
		return 0
	}
	return d.size
}

// checkHash notes the file's hash, and compares it with what the Snapshot RPC has sent behind it.
func (d *databaseSource) checkHash(ctx context.Context, h *hashing) error {
	sum, err := h.wait()
	if err != nil {
		return d.failed(ctx, err)
	}
	if d.hashed() == 0 {
		return nil
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

// damaged notes what is wrong with the file, in its first layer.
func (d *databaseSource) damaged(at int64, what string) {
	layer := d.scopes[0].Layer
	d.remains[layer].AddDamage(record.Origin{Layer: layer, File: d.name, Offset: at}, what)
}
