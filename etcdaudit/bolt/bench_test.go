package bolt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// benchmarkValues is how many values the database of benchmarks has, of 1 KiB each.
const benchmarkValues = 100_000

// newRevisions makes a database as etcd writes it: keys of 17 bytes that only grow, of
// which every third was deleted, and what followed written into the pages of these.
func newRevisions(b *testing.B) *bbolt.DB {
	b.Helper()
	db := testkit.Must(bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, &bbolt.Options{
		PageSize: 4096, NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	}))(b)
	b.Cleanup(func() { db.Close() })
	random := newSource(9)
	revision := func(i int) []byte {
		key := binary.BigEndian.AppendUint64(nil, uint64(i))
		return binary.BigEndian.AppendUint64(append(key, '_'), 0)
	}
	const batch = 1000
	for from := 0; from < benchmarkValues*3/2; from += batch {
		testkit.Check(b, db.Update(func(tx *bbolt.Tx) error {
			keys := testkit.Must(tx.CreateBucketIfNotExists([]byte("key")))(b)
			keys.FillPercent = 0.9
			for i := from; i < from+batch; i++ {
				testkit.Check(b, keys.Put(revision(i), random.value(1024)))
			}
			for i := from - 20*batch; i >= 0 && i < from-19*batch; i++ {
				if i%3 == 0 {
					testkit.Check(b, keys.Delete(revision(i)))
				}
			}
			return nil
		}))
	}
	return db
}

// BenchmarkLeaves reads every value's first byte. The floors are bbolt's cursor, which
// reads from a mapping and so never copies a value, and reading the file once in order.
func BenchmarkLeaves(b *testing.B) {
	db := newRevisions(b)
	file := testkit.Must(os.Open(db.Path()))(b)
	b.Cleanup(func() { file.Close() })
	f := testkit.Must(bolt.Open(file, testkit.Must(file.Stat())(b).Size()))(b)
	buckets, _, err := f.Buckets(context.Background())
	testkit.Check(b, err)
	report := func(b *testing.B, elements, bytes int, sum byte) {
		b.Helper()
		b.SetBytes(int64(bytes / b.N))
		b.ReportMetric(float64(elements)/b.Elapsed().Seconds(), "elements/s")
		_ = sum
	}
	b.Run("file", func(b *testing.B) {
		window := make([]byte, 256<<10)
		size := testkit.Must(file.Stat())(b).Size()
		b.SetBytes(size)
		for b.Loop() {
			for at := int64(0); at < size; at += int64(len(window)) {
				if _, err := file.ReadAt(window, at); err != nil && !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		}
	})
	for _, backwards := range []bool{false, true} {
		b.Run(fmt.Sprintf("backwards=%t", backwards), func(b *testing.B) {
			b.ReportAllocs()
			var (
				elements, bytes int
				sum             byte
			)
			for b.Loop() {
				_, err := f.Leaves(context.Background(), buckets[0], backwards, func(l bolt.Leaf) error {
					for i := range l.Len() {
						key, value, _, err := l.Element(i)
						if err != nil {
							return err
						}
						sum += value[0]
						bytes += len(key) + len(value)
					}
					elements += l.Len()
					return nil
				})
				testkit.Check(b, err)
			}
			report(b, elements, bytes, sum)
		})
	}
	b.Run("bbolt", func(b *testing.B) {
		b.ReportAllocs()
		var (
			elements, bytes int
			sum             byte
		)
		for b.Loop() {
			testkit.Check(b, db.View(func(tx *bbolt.Tx) error {
				c := tx.Bucket([]byte("key")).Cursor()
				for k, v := c.First(); k != nil; k, v = c.Next() {
					sum += v[0]
					elements, bytes = elements+1, bytes+len(k)+len(v)
				}
				return nil
			}))
		}
		report(b, elements, bytes, sum)
	})
}

// BenchmarkReach and BenchmarkRest say how much of the file they decide on.
func BenchmarkReach(b *testing.B) {
	f, _ := benchmarkFile(b)
	for b.Loop() {
		testkit.Must(f.Reach(context.Background()))(b)
	}
}

func BenchmarkRest(b *testing.B) {
	f, reach := benchmarkFile(b)
	var runs int
	for b.Loop() {
		runs = len(rest(b, f, reach))
	}
	b.ReportMetric(float64(runs), "runs")
}

func benchmarkFile(b *testing.B) (*bolt.File, *bolt.Reach) {
	b.Helper()
	file := testkit.Must(os.Open(newRevisions(b).Path()))(b)
	b.Cleanup(func() { file.Close() })
	size := testkit.Must(file.Stat())(b).Size()
	f := testkit.Must(bolt.Open(file, size))(b)
	b.SetBytes(size)
	b.ReportAllocs()
	return f, testkit.Must(f.Reach(context.Background()))(b)
}
