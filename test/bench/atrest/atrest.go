// Package atrest makes the files of an etcd that has had a history: a database in which Secrets
// were written in plaintext, encrypted by a rewrite and partly compacted, and the write-ahead log
// of its last writes. The same options always give the same values; bbolt can put them into other
// pages.
//
// It must never know how the auditor reads.
package atrest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
)

// Options say what was written.
type Options struct {
	// Secrets is how many there are, each of about 1 KiB.
	Secrets int
	// Rewritten is set where they were written in plaintext first and then encrypted: what was
	// plaintext is left in old revisions and, where a compaction has come by, in free pages.
	// Otherwise all of them are plaintext if Plaintext is set, and encrypted if not.
	Rewritten, Plaintext bool
	// Sources is how many DEK sources encrypted Secrets have, which SeedOf opens; 0 for Secrets
	// that nothing opens.
	Sources int
	// Large is how many more encrypted Secrets there are of 300 KiB, half of which were deleted.
	Large int
}

// Files are those of a data directory.
type Files struct {
	// Dir is the data directory, Database the file in it, and Segments its write-ahead log.
	Dir, Database string
	Segments      []string
	// Live and Old are how many versions the database holds of keys under /registry/, and Bytes
	// its size.
	Live, Old int
	Bytes     int64
}

// version is a part of the name of what is kept: it changes with the bytes that are made.
const version = 1

// Make returns the files of the options, made below a directory or found there from before.
func Make(below string, o Options) (*Files, error) {
	name := fmt.Sprintf("v%d-%d", version, o.Secrets)
	switch {
	case o.Rewritten:
		name += "-rewritten"
	case o.Plaintext:
		name += "-plaintext"
	}
	if o.Sources > 0 {
		name += fmt.Sprintf("-%d-sources", o.Sources)
	}
	if o.Large > 0 {
		name += fmt.Sprintf("-%d-large", o.Large)
	}
	f := o.files(filepath.Join(below, name))
	if _, err := os.Stat(f.Dir); os.IsNotExist(err) {
		// Whole or not at all: what was begun and interrupted has another name.
		making := o.files(f.Dir + ".part")
		if err := os.RemoveAll(making.Dir); err != nil {
			return nil, fmt.Errorf("make files of etcd: %w", err)
		}
		if err := o.write(making); err != nil {
			return nil, fmt.Errorf("make files of etcd: %w", err)
		}
		if err := os.Rename(making.Dir, f.Dir); err != nil {
			return nil, fmt.Errorf("make files of etcd: %w", err)
		}
	}
	info, err := os.Stat(f.Database)
	if err != nil {
		return nil, fmt.Errorf("find files of etcd: %w", err)
	}
	f.Bytes = info.Size()
	if f.Segments, err = filepath.Glob(filepath.Join(f.Dir, "member/wal/*.wal")); err != nil {
		return nil, fmt.Errorf("find files of etcd: %w", err)
	}
	return f, nil
}

func (o Options) files(dir string) *Files {
	f := &Files{Dir: dir, Database: filepath.Join(dir, "member/snap/db"), Live: o.Secrets + 1 + o.Large - o.Large/2}
	if o.Rewritten {
		f.Old = o.Secrets - o.compacted()
	}
	return f
}

// compacted is how many plaintext revisions a compaction has deleted.
func (o Options) compacted() int { return o.Secrets / 4 * 3 }

// perCommit is how many changes one transaction of bbolt has. etcd commits after 10,000, or
// after 100 ms.
const perCommit = 2_000

func (o Options) write(f *Files) (err error) {
	for _, dir := range []string{filepath.Dir(f.Database), filepath.Join(f.Dir, "member/wal")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	db, err := bbolt.Open(f.Database, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, PageSize: 4096, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	w := &writer{db: db, log: &segments{dir: filepath.Join(f.Dir, "member/wal")}, made: newValues(o.Secrets, o.Sources)}
	err = o.play(w)
	if err == nil {
		err = db.Sync() // the system cannot drop from its cache what is not on the disk
	}
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return err
}

// play writes what the options say, in the order in which it would have happened.
func (o Options) play(w *writer) error {
	if err := w.puts(1, func(int) (string, []byte) {
		return "/registry/namespaces/kube-system", []byte("k8s\x00")
	}); err != nil {
		return err
	}
	if err := w.puts(o.Large, func(i int) (string, []byte) {
		return fmt.Sprintf("/registry/secrets/large/secret-%d", i), w.made.large()
	}); err != nil {
		return err
	}
	if err := w.compact(2, o.Large/2); err != nil {
		return err
	}
	plaintext := func(i int) (string, []byte) { return w.made.key(i), w.made.plaintext(i) }
	encrypted := func(i int) (string, []byte) { return w.made.key(i), w.made.encrypted(i) }
	if o.Rewritten || o.Plaintext {
		if err := w.puts(o.Secrets, plaintext); err != nil {
			return err
		}
	}
	if o.Rewritten {
		// etcd compacts while it is written to.
		half := o.compacted()
		if err := w.puts(half, encrypted); err != nil {
			return err
		}
		if err := w.compact(int64(2+o.Large), half); err != nil {
			return err
		}
		if err := w.puts(o.Secrets-half, func(i int) (string, []byte) { return encrypted(half + i) }); err != nil {
			return err
		}
	} else if !o.Plaintext {
		if err := w.puts(o.Secrets, encrypted); err != nil {
			return err
		}
	}
	return w.log.close()
}

// writer puts what is written into the database and the log.
type writer struct {
	db       *bbolt.DB
	log      *segments
	made     *values
	revision int64
}

func revisionKey(revision int64) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(revision)) //nolint:gosec // counts from 1
	return binary.BigEndian.AppendUint64(append(key, '_'), 0)
}

func (w *writer) puts(n int, of func(i int) (key string, value []byte)) error {
	for from := 0; from < n; from += perCommit {
		if err := w.db.Update(func(tx *bbolt.Tx) error {
			keys, err := tx.CreateBucketIfNotExists([]byte("key"))
			if err != nil {
				return err
			}
			keys.FillPercent = 0.9 // as etcd has it
			for i := from; i < min(n, from+perCommit); i++ {
				key, value := of(i)
				w.revision++
				kv := &mvccpb.KeyValue{Key: []byte(key), Value: value, CreateRevision: w.revision, ModRevision: w.revision, Version: 1}
				stored, err := proto.Marshal(kv)
				if err != nil {
					return err
				}
				if err := keys.Put(revisionKey(w.revision), stored); err != nil {
					return err
				}
				if err := w.log.put(kv); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// compact deletes n revisions, as a compaction does: a batch of them in each transaction.
func (w *writer) compact(from int64, n int) error {
	const batch = 1000
	for i := 0; i < n; i += batch {
		if err := w.db.Update(func(tx *bbolt.Tx) error {
			keys := tx.Bucket([]byte("key"))
			for j := i; j < min(n, i+batch); j++ {
				if err := keys.Delete(revisionKey(from + int64(j))); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// seeded is a source of the same numbers in each run.
func seeded(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}
