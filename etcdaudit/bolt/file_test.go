package bolt_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestASnapshotIsReadLikeTheDatabase(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, 1, 20, largest, bbolt.Options{PageSize: 4096, NoFreelistSync: true})
	var b bytes.Buffer
	testkit.Check(t, db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(&b)
		return err
	}))
	pages := b.Len()
	hash := sha256.Sum256(b.Bytes())
	for name, file := range map[string][]byte{
		"without its hash": b.Bytes(),
		"with its hash":    slices.Concat(b.Bytes(), hash[:]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, file)
			checkElements(t, db, file, f, "key")
			checkReach(t, db, f)
			older, ok := f.OlderMeta()
			if !ok || older.Txid != f.Meta().Txid-1 || older.Root != f.Meta().Root {
				t.Errorf("older meta page: %+v, %t", older, ok)
			}
			reach := testkit.Must(f.Reach(context.Background()))(t)
			var beyond []bolt.Run
			for _, run := range rest(t, f, reach) {
				if run.Beyond {
					beyond = append(beyond, run)
				}
			}
			var want []bolt.Run
			if len(file) > pages {
				want = []bolt.Run{{Page: f.Meta().HighWater, Offset: int64(pages), Length: 32, Beyond: true}}
			}
			if diff := cmp.Diff(want, beyond); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheNewerValidMetaPageCounts(t *testing.T) {
	t.Parallel()
	for _, pageSize := range []int{512, 4096, 65536} {
		db := newDatabase(t, 2, 21, largest, bbolt.Options{PageSize: pageSize})
		file := read(t, db)
		meta := open(t, file).Meta()
		older, ok := open(t, file).OlderMeta()
		if !ok || older.Txid+1 != meta.Txid || older.Page == meta.Page {
			t.Fatalf("the meta pages are %+v and %+v", meta, older)
		}
		for page, want := range map[int64]bolt.Meta{older.Page: meta, meta.Page: older} {
			damaged := slices.Clone(file)
			damaged[page*int64(pageSize)+16+50] ^= 1
			f := open(t, damaged)
			if f.Meta() != want {
				t.Errorf("with page %d damaged: %+v, want %+v", page, f.Meta(), want)
			}
			if _, ok := f.OlderMeta(); ok {
				t.Error("a damaged meta page is taken for valid")
			}
			if _, ok := f.Older(); ok {
				t.Error("a database is read from a damaged meta page")
			}
			reach := testkit.Must(f.Reach(context.Background()))(t)
			if len(reach.First) == 0 || reach.First[0].Offset != page*int64(pageSize) || !strings.Contains(reach.First[0].Reason, "checksum") {
				t.Errorf("damage: %v", reach.First)
			}
			if reach.Has(page) {
				t.Errorf("meta page %d is damaged and counts as part of the database", page)
			}
		}
	}
}

func TestTheOlderMetaPageShowsTheStateBefore(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, 3, 20, largest, bbolt.Options{PageSize: 4096, NoFreelistSync: true})
	before := wanted(t, db, "key")
	testkit.Check(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("key")).Delete(before[0].key)
	}))
	file := read(t, db)
	older, ok := open(t, file).Older()
	if !ok {
		t.Fatal("there is no older state")
	}
	if got := pairs(t, file, older, "key", false); !slices.EqualFunc(got, before, equalPairs) {
		t.Errorf("the older state has %d elements, want %d, or differs in one", len(got), len(before))
	}
}

func TestWhatIsNoDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	d := disk{pageSize: 4096}
	d.bucket(2, 0)
	d.metas(2, 3)
	for name, test := range map[string]struct {
		change func(b []byte) []byte
		want   string
		is     error
	}{
		"empty":                     {func([]byte) []byte { return nil }, "", bolt.ErrNotDatabase},
		"ends in the meta page":     {func(b []byte) []byte { return b[:70] }, "", bolt.ErrNotDatabase},
		"zeros":                     {func(b []byte) []byte { return make([]byte, len(b)) }, "", bolt.ErrNotDatabase},
		"text":                      {func(b []byte) []byte { return bytes.Repeat([]byte("text"), 1<<16) }, "", bolt.ErrNotDatabase},
		"another version":           {setMeta(4, 3), "version 3", nil},
		"a page size of nothing":    {setMeta(8, 0), "page size of 0", nil},
		"a page size of 4095 bytes": {setMeta(8, 4095), "page size of 4095", nil},
		"a page size of 1 GiB":      {setMeta(8, 1<<30), "page size of 1073741824", nil},
		"both checksums wrong": {func(b []byte) []byte {
			b[16+20]++
			b[4096+16+20]++
			return b
		}, "page 0: the checksum does not match; page 1: the checksum does not match", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := test.change(slices.Clone(d.b))
			_, err := bolt.Open(bytes.NewReader(b), int64(len(b)))
			if err == nil || !strings.Contains(err.Error(), test.want) || (test.is != nil && !errors.Is(err, test.is)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// setMeta changes a number of both meta pages, with right checksums.
func setMeta(at int, v uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		for _, page := range [][]byte{b[16:], b[4096+16:]} {
			binary.LittleEndian.PutUint32(page[at:], v)
			binary.LittleEndian.PutUint64(page[56:], checksum(page[:56]))
		}
		return b
	}
}

func TestAReadErrorIsReturned(t *testing.T) {
	t.Parallel()
	d := disk{pageSize: 512}
	d.leaf(2, 0, pair{[]byte("k"), []byte("v")})
	d.bucket(3, 2)
	d.leaf(4, 0, pair{[]byte("k"), []byte("v")})
	d.metas(3, 5)
	broken := errors.New("input/output error")
	for _, page := range []int64{0, 1, 2, 3, 4} {
		r := &failing{bytes.NewReader(d.b), page * 512, broken}
		f, err := bolt.Open(r, int64(len(d.b)))
		if err == nil {
			var reach *bolt.Reach
			if reach, err = f.Reach(context.Background()); err == nil {
				err = f.Rest(context.Background(), reach, func(bolt.Run) error { return nil })
			}
		}
		if !errors.Is(err, broken) {
			t.Errorf("where page %d cannot be read: error %v", page, err)
		}
	}
}

// failing cannot read what contains one offset.
type failing struct {
	*bytes.Reader
	at  int64
	err error
}

func (f *failing) ReadAt(p []byte, offset int64) (int, error) {
	if offset <= f.at && f.at < offset+int64(len(p)) {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, offset)
}

func TestACancelledContextEndsEveryWalk(t *testing.T) {
	t.Parallel()
	f := open(t, read(t, newDatabase(t, 4, 5, largest, bbolt.Options{PageSize: 512})))
	reach := testkit.Must(f.Reach(context.Background()))(t)
	buckets, _, err := f.Buckets(context.Background())
	testkit.Check(t, err)
	ctx, cancel := context.WithCancelCause(context.Background())
	stopped := errors.New("stopped")
	cancel(stopped)
	_, err = f.Reach(ctx)
	errs := []error{err, f.Rest(ctx, reach, func(bolt.Run) error { return nil })}
	_, _, err = f.Buckets(ctx)
	errs = append(errs, err)
	for _, b := range buckets {
		if b.Root != 0 {
			_, err = f.Leaves(ctx, b, false, func(bolt.Leaf) error { return nil })
			errs = append(errs, err)
			_, err = f.Walk(ctx, b, false, func([]bolt.Leaf, func()) error { return nil })
			errs = append(errs, err)
		}
	}
	for i, err := range errs {
		if !errors.Is(err, stopped) {
			t.Errorf("%d: error %v", i, err)
		}
	}
}

func TestAnErrorOfTheCallerIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	f := open(t, read(t, newDatabase(t, 5, 5, largest, bbolt.Options{PageSize: 512})))
	reach := testkit.Must(f.Reach(context.Background()))(t)
	enough := errors.New("enough")
	calls := 0
	if err := f.Rest(context.Background(), reach, func(bolt.Run) error { calls++; return enough }); !errors.Is(err, enough) {
		t.Errorf("Rest: error %v", err)
	}
	buckets, _, err := f.Buckets(context.Background())
	testkit.Check(t, err)
	for _, b := range buckets {
		if _, err := f.Leaves(context.Background(), b, true, func(bolt.Leaf) error { calls++; return enough }); !errors.Is(err, enough) {
			t.Errorf("Leaves of %s: error %v", b.Name, err)
		}
		if _, err := f.Walk(context.Background(), b, true, func([]bolt.Leaf, func()) error { calls++; return enough }); !errors.Is(err, enough) {
			t.Errorf("Walk of %s: error %v", b.Name, err)
		}
	}
	if calls != 1+2*len(buckets) {
		t.Errorf("%d calls after the first error of each", calls-1-2*len(buckets))
	}
}
