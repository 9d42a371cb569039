package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// flat are the buckets that databases of these tests have, beside nested ones.
var flat = []string{"key", "large", "meta", "empty"}

// largest is the size of the largest values of most databases, in bytes.
const largest = 300 << 10

// newDatabase makes a database in which pages were freed and used again: values of 100
// bytes to largest, overwritten and deleted in many transactions.
func newDatabase(t testing.TB, seed uint64, rounds, largest int, options bbolt.Options) *bbolt.DB {
	t.Helper()
	options.NoSync, options.NoGrowSync = true, true
	db := testkit.Must(bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &options))(t)
	t.Cleanup(func() { db.Close() })
	random := newSource(seed)
	for round := range rounds {
		testkit.Check(t, db.Update(func(tx *bbolt.Tx) error {
			for _, name := range flat {
				testkit.Must(tx.CreateBucketIfNotExists([]byte(name)))(t)
			}
			key, large, meta := tx.Bucket([]byte("key")), tx.Bucket([]byte("large")), tx.Bucket([]byte("meta"))
			for range 60 {
				k := fmt.Appendf(nil, "%06d", random.IntN(2000))
				if random.IntN(3) == 0 {
					testkit.Check(t, key.Delete(k))
				} else {
					testkit.Check(t, key.Put(k, random.value(100+random.IntN(2000))))
				}
			}
			k := fmt.Appendf(nil, "%06d", random.IntN(12))
			testkit.Check(t, large.Put(k, random.value(5<<10+random.IntN(largest-5<<10))))
			testkit.Check(t, meta.Put([]byte("round"), fmt.Appendf(nil, "%d", round)))
			nest(t, tx, random)
			return nil
		}))
	}
	return db
}

// nest writes into buckets within buckets, inline ones among them.
func nest(t testing.TB, tx *bbolt.Tx, random *source) {
	t.Helper()
	b := testkit.Must(tx.CreateBucketIfNotExists([]byte("nested")))(t)
	for depth := range 4 {
		testkit.Must(b.CreateBucketIfNotExists([]byte("empty")))(t)
		small := testkit.Must(b.CreateBucketIfNotExists([]byte("small")))(t)
		testkit.Check(t, small.Put([]byte("k"), random.value(20)))
		for range 5 {
			testkit.Check(t, b.Put(fmt.Appendf(nil, "v%d", random.IntN(40)), random.value(random.IntN(1500))))
		}
		b = testkit.Must(b.CreateBucketIfNotExists(fmt.Appendf(nil, "b%d", depth)))(t)
	}
}

// source makes values quickly: parts of the same random bytes.
type source struct {
	*rand.Rand
	bytes []byte
}

func newSource(seed uint64) *source {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	chacha := rand.NewChaCha8(key)
	s := &source{rand.New(chacha), make([]byte, 1<<20)}
	chacha.Read(s.bytes)
	return s
}

func (s *source) value(n int) []byte {
	at := s.IntN(len(s.bytes) - n)
	return s.bytes[at : at+n]
}

// read returns the database's file as it is between two transactions.
func read(t testing.TB, db *bbolt.DB) []byte {
	t.Helper()
	return testkit.Must(os.ReadFile(db.Path()))(t)
}

func open(t testing.TB, b []byte) *bolt.File {
	t.Helper()
	return testkit.Must(bolt.Open(bytes.NewReader(b), int64(len(b))))(t)
}

// sound fails where a sound database is reported as damaged.
func sound(t testing.TB, d bolt.Damages) {
	t.Helper()
	if d.Any() {
		t.Fatalf("a sound database has %d damages: %v", len(d.First)+d.More, d.First)
	}
}

type pair struct{ key, value []byte }

// pairs reads a bucket with the reader under test, and every value once more from the file
// at the offset that the reader names. Buckets within it are left out.
func pairs(t testing.TB, file []byte, f *bolt.File, name string, backwards bool) (all []pair) {
	t.Helper()
	buckets, damages, err := f.Buckets(context.Background())
	testkit.Check(t, err)
	sound(t, damages)
	i := slices.IndexFunc(buckets, func(b bolt.Bucket) bool { return string(b.Name) == name })
	if i < 0 {
		t.Fatalf("bucket %s is not found", name)
	}
	each := func(l bolt.Leaf) error {
		for i := range l.Len() {
			if backwards {
				i = l.Len() - 1 - i
			}
			if l.IsBucket(i) {
				continue
			}
			key, value, offset, err := l.Element(i)
			testkit.Check(t, err)
			if !bytes.Equal(file[offset:offset+int64(len(value))], value) {
				t.Fatalf("the value of %q is not at offset %d", key, offset)
			}
			all = append(all, pair{bytes.Clone(key), bytes.Clone(value)})
		}
		return nil
	}
	damages, err = f.Leaves(context.Background(), buckets[i], backwards, each)
	testkit.Check(t, err)
	sound(t, damages)
	leaves := slices.Clone(all)
	all = nil
	reach := testkit.Must(f.Walk(context.Background(), buckets[i], backwards, eachOf(each)))(t)
	sound(t, reach.Damages)
	if !slices.EqualFunc(all, leaves, equalPairs) {
		t.Errorf("Walk has %d elements of bucket %s, and Leaves %d, or they differ in one", len(all), name, len(leaves))
	}
	if want := testkit.Must(f.Reach(context.Background()))(t); !reflect.DeepEqual(reach, want) {
		t.Errorf("Walk of bucket %s reaches %d pages, and Reach %d, or others", name, reach.Pages, want.Pages)
	}
	return all
}

// eachOf takes leaves one by one.
func eachOf(each func(bolt.Leaf) error) func([]bolt.Leaf, func()) error {
	return func(leaves []bolt.Leaf, done func()) error {
		defer done()
		for _, l := range leaves {
			if err := each(l); err != nil {
				return err
			}
		}
		return nil
	}
}

// wanted reads a bucket with bbolt.
func wanted(t testing.TB, db *bbolt.DB, name string) (all []pair) {
	t.Helper()
	testkit.Check(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
			if v != nil {
				all = append(all, pair{bytes.Clone(k), bytes.Clone(v)})
			}
			return nil
		})
	}))
	return all
}

func equalPairs(a, b pair) bool { return bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value) }

func TestReadsWhatBboltReads(t *testing.T) {
	t.Parallel()
	for i, pageSize := range []int{512, 4096, 8192, 16384, 65536} {
		for _, noFreelist := range []bool{true, false} {
			options := bbolt.Options{PageSize: pageSize, NoFreelistSync: noFreelist, FreelistType: bbolt.FreelistArrayType}
			if i%2 == 0 {
				options.FreelistType = bbolt.FreelistMapType
			}
			t.Run(fmt.Sprintf("pages of %d, no freelist in the file: %t", pageSize, noFreelist), func(t *testing.T) {
				t.Parallel()
				db := newDatabase(t, uint64(pageSize), 15, largest, options)
				file := read(t, db)
				f := open(t, file)
				if got := f.Meta(); got.PageSize != int64(pageSize) || got.HasFreelist == noFreelist {
					t.Errorf("meta page: %+v", got)
				}
				for _, name := range append([]string{"nested"}, flat...) {
					checkElements(t, db, file, f, name)
				}
				checkReach(t, db, f)
			})
		}
	}
}

// checkElements compares every element of a bucket, in both directions.
func checkElements(t *testing.T, db *bbolt.DB, file []byte, f *bolt.File, name string) {
	t.Helper()
	want := wanted(t, db, name)
	if len(want) == 0 && name != "empty" {
		t.Fatalf("bucket %s tests nothing", name)
	}
	if got := pairs(t, file, f, name, false); !slices.EqualFunc(got, want, equalPairs) {
		t.Errorf("bucket %s has %d elements, want %d, or differs in one", name, len(got), len(want))
	}
	slices.Reverse(want)
	if got := pairs(t, file, f, name, true); !slices.EqualFunc(got, want, equalPairs) {
		t.Errorf("bucket %s read backwards has %d elements, want %d, or differs in one", name, len(got), len(want))
	}
}

// checkReach compares the pages in use with those that bbolt does not hold free.
func checkReach(t *testing.T, db *bbolt.DB, f *bolt.File) {
	t.Helper()
	reach := testkit.Must(f.Reach(context.Background()))(t)
	sound(t, reach.Damages)
	free, used := 0, int64(0)
	testkit.Check(t, db.View(func(tx *bbolt.Tx) error {
		id := 0
		for info := testkit.Must(tx.Page(id))(t); info != nil; info = testkit.Must(tx.Page(id))(t) {
			pages := 1
			if info.Type == "free" {
				free++
			} else {
				pages += info.OverflowCount
				used += int64(pages)
			}
			for range pages {
				if reach.Has(int64(id)) != (info.Type != "free") {
					t.Errorf("page %d is %s, and reached: %t", id, info.Type, reach.Has(int64(id)))
				}
				id++
			}
		}
		if int64(id) != f.Meta().HighWater {
			t.Errorf("the database has %d pages, not %d", id, f.Meta().HighWater)
		}
		return nil
	}))
	if free == 0 || used != reach.Pages {
		t.Errorf("%d pages are free, %d in use; %d were reached", free, used, reach.Pages)
	}
}
