package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// flat are the buckets that databases of these tests have, beside nested ones.
var flat = []string{"key", "large", "meta", "empty"}

// newDatabase makes a database in which pages were freed and used again: values of 100
// bytes to 300 KiB, overwritten and deleted in many transactions.
func newDatabase(t testing.TB, seed uint64, rounds int, options bbolt.Options) *bbolt.DB {
	t.Helper()
	options.NoSync, options.NoGrowSync = true, true
	db := testkit.Must(bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &options))(t)
	t.Cleanup(func() { db.Close() })
	random := rand.New(rand.NewPCG(seed, 0))
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
					testkit.Check(t, key.Put(k, value(random, 100+random.IntN(2000))))
				}
			}
			k := fmt.Appendf(nil, "%06d", random.IntN(12))
			testkit.Check(t, large.Put(k, value(random, 5<<10+random.IntN(295<<10))))
			testkit.Check(t, meta.Put([]byte("round"), fmt.Appendf(nil, "%d", round)))
			nest(t, tx, random)
			return nil
		}))
	}
	return db
}

// nest writes into buckets within buckets, inline ones among them.
func nest(t testing.TB, tx *bbolt.Tx, random *rand.Rand) {
	t.Helper()
	b := testkit.Must(tx.CreateBucketIfNotExists([]byte("nested")))(t)
	for depth := range 4 {
		testkit.Must(b.CreateBucketIfNotExists([]byte("empty")))(t)
		small := testkit.Must(b.CreateBucketIfNotExists([]byte("small")))(t)
		testkit.Check(t, small.Put([]byte("k"), value(random, 20)))
		for range 5 {
			testkit.Check(t, b.Put(fmt.Appendf(nil, "v%d", random.IntN(40)), value(random, random.IntN(1500))))
		}
		b = testkit.Must(b.CreateBucketIfNotExists(fmt.Appendf(nil, "b%d", depth)))(t)
	}
}

func value(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// variants are the ways in which bbolt writes a file.
func variants(t *testing.T, test func(t *testing.T, db *bbolt.DB)) {
	for _, pageSize := range []int{512, 1024, 4096, 8192, 16384, 65536} {
		for _, noFreelist := range []bool{true, false} {
			for _, freelist := range []bbolt.FreelistType{bbolt.FreelistArrayType, bbolt.FreelistMapType} {
				t.Run(fmt.Sprintf("pages of %d, no freelist %t, %s", pageSize, noFreelist, freelist), func(t *testing.T) {
					t.Parallel()
					test(t, newDatabase(t, uint64(pageSize), 60, bbolt.Options{PageSize: pageSize, NoFreelistSync: noFreelist, FreelistType: freelist}))
				})
			}
		}
	}
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
	damages, err = f.Leaves(context.Background(), buckets[i], backwards, func(l bolt.Leaf) error {
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
	})
	testkit.Check(t, err)
	sound(t, damages)
	return all
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

func TestEveryElementIsWhatBboltReads(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, db *bbolt.DB) {
		file := read(t, db)
		f := open(t, file)
		for _, name := range append([]string{"nested"}, flat...) {
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
	})
}

func TestEveryPageThatBboltUsesIsReached(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, db *bbolt.DB) {
		f := open(t, read(t, db))
		reach := testkit.Must(f.Reach(context.Background()))(t)
		sound(t, reach.Damages)
		free := 0
		testkit.Check(t, db.View(func(tx *bbolt.Tx) error {
			for id := 0; ; {
				info := testkit.Must(tx.Page(id))(t)
				if info == nil {
					if id != int(f.Meta().HighWater) {
						t.Errorf("the database has %d pages, not %d", id, f.Meta().HighWater)
					}
					return nil
				}
				pages := 1
				if info.Type == "free" {
					free++
				} else {
					pages += info.OverflowCount
				}
				for range pages {
					if reach.Has(int64(id)) != (info.Type != "free") {
						t.Errorf("page %d is %s, and reached: %t", id, info.Type, reach.Has(int64(id)))
					}
					id++
				}
			}
		}))
		if free == 0 || reach.Pages == 0 {
			t.Fatalf("%d free pages and %d in use test nothing", free, reach.Pages)
		}
	})
}
