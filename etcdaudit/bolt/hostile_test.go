package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// counting counts the bytes that are read of a file.
type counting struct {
	bytes.Reader
	read int64
}

func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.Reader.ReadAt(p, offset)
	c.read += int64(n)
	return n, err
}

// readAll reads everything of a file that can be read, and fails where a promise is broken
// that holds for any file: what is shown is in the file where it is said to be, nothing is
// shown twice, and no more is read than a few times the file. It reports whether the file
// is a database.
func readAll(t testing.TB, b []byte) bool {
	t.Helper()
	ctx := context.Background()
	r := &counting{Reader: *bytes.NewReader(b)}
	f, err := bolt.Open(r, int64(len(b)))
	if err != nil {
		return false
	}
	if older, ok := f.Older(); ok {
		testkit.Must(older.Reach(ctx))(t)
	}
	checkRead(t, r, len(b), f)
	reach := testkit.Must(f.Reach(ctx))(t)
	checkRead(t, r, len(b), f)
	buckets, _, err := f.Buckets(ctx)
	testkit.Check(t, err)
	for _, bucket := range buckets[:min(len(buckets), 10)] {
		for _, backwards := range []bool{false, true} {
			var shown int
			_, err := f.Leaves(ctx, bucket, backwards, func(l bolt.Leaf) error {
				shown += checkElementsOf(t, b, l)
				return nil
			})
			testkit.Check(t, err)
			if shown > len(b) {
				t.Fatalf("%d bytes are shown of a file of %d", shown, len(b))
			}
			checkRead(t, r, len(b), f)
			_, err = f.Walk(ctx, bucket, backwards, eachOf(func(l bolt.Leaf) error {
				shown -= checkElementsOf(t, b, l)
				return nil
			}))
			testkit.Check(t, err)
			if shown != 0 {
				t.Fatalf("Walk shows %d bytes less than Leaves", shown)
			}
			checkRead(t, r, len(b), f)
		}
	}
	runs := checkRest(t, b, f, reach)
	checkRead(t, r, len(b), f)
	inParts(t, b, f, reach, runs, func() { checkRead(t, r, len(b), f) })
	return true
}

// checkRead bounds what was read since the last time: pages and what lies between those
// that are read together.
func checkRead(t testing.TB, r *counting, size int, f *bolt.File) {
	t.Helper()
	if r.read > int64(4*size)+2*f.Meta().PageSize {
		t.Fatalf("%d bytes were read of a file of %d", r.read, size)
	}
	r.read = 0
}

// checkElementsOf returns the number of bytes of all elements that can be read.
func checkElementsOf(t testing.TB, b []byte, l bolt.Leaf) (shown int) {
	t.Helper()
	for i := range l.Len() {
		_ = l.IsBucket(i)
		key, value, offset, err := l.Element(i)
		if err != nil {
			continue
		}
		shown += len(key) + len(value)
		if !bytes.Equal(b[offset-int64(len(key)):offset], key) || !bytes.Equal(b[offset:offset+int64(len(value))], value) {
			t.Fatalf("the element at offset %d is not in the file there", offset)
		}
	}
	return shown
}

func checkRest(t testing.TB, b []byte, f *bolt.File, reach *bolt.Reach) (runs []bolt.Run) {
	t.Helper()
	var (
		end int64
		buf []byte
	)
	testkit.Check(t, f.Rest(context.Background(), reach, func(run bolt.Run) error {
		if run.Offset < end || run.Length <= 0 || run.Offset+run.Length > int64(len(b)) || run.Offset != run.Page*f.Meta().PageSize {
			t.Fatalf("the run %+v overlaps the one before it, which ends at %d, or is not in the file", run, end)
		}
		end, runs = run.Offset+run.Length, append(runs, run)
		for page := run.Page; page*f.Meta().PageSize < end; page++ {
			if reach.Has(page) {
				t.Fatalf("page %d of the run %+v is part of the database", page, run)
			}
		}
		if run.Kind == bolt.LeafPage && run.Length >= 16 {
			l, next, err := f.Leaf(run, buf)
			testkit.Check(t, err)
			buf = next
			checkElementsOf(t, b, l)
		}
		return nil
	}))
	return runs
}

// mutate changes a database as a bad disk or an attacker does.
func mutate(random *rand.Rand, b []byte, pageSize int) []byte {
	b = slices.Clone(b)
	for range 1 + random.IntN(4) {
		page := random.IntN(len(b)/pageSize) * pageSize
		header := b[page : page+pageSize]
		number := []uint64{0, 1, 2, 3, 0xff, 0xffff, 1 << 16, 0xffffffff, 1 << 33, 1 << 62, 1 << 63, ^uint64(0), random.Uint64N(uint64(len(b) / pageSize))}[random.IntN(13)]
		switch random.IntN(8) {
		case 0: // a bit anywhere
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		case 1: // a bit of a header or of the first elements
			header[random.IntN(96)] ^= 1 << random.IntN(8)
		case 2: // flags and count
			binary.LittleEndian.PutUint16(header[8+2*random.IntN(2):], uint16(number))
		case 3:
			binary.LittleEndian.PutUint32(header[12:], uint32(number))
		case 4: // a number of an element
			binary.LittleEndian.PutUint32(header[16+4*random.IntN(40):], uint32(number))
		case 5: // a child's page, or the page's own number
			binary.LittleEndian.PutUint64(header[8*random.IntN(20):], number)
		case 6: // a page in another one's place, which makes cycles and second uses
			other := random.IntN(len(b)/pageSize) * pageSize
			from := []int{0, 8, 16}[random.IntN(3)]
			copy(header[from:], b[other+from:other+pageSize])
		case 7:
			if random.IntN(4) == 0 {
				b = b[:pageSize+random.IntN(len(b)-pageSize)]
			}
		}
	}
	return b
}

// allocated returns the bytes that this process has ever taken from the heap.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Not parallel, so that what is allocated is allocated here.
func TestADamagedDatabaseEndsInDamageSoonAndInLittleMemory(t *testing.T) {
	for _, pageSize := range []int{512, 4096} {
		db := newDatabase(t, 6, 2, 15<<10, bbolt.Options{PageSize: pageSize, NoFreelistSync: pageSize == 512})
		sane := read(t, db)
		sane = sane[:min(int64(len(sane)), open(t, sane).Meta().HighWater*int64(pageSize))]
		databases, slowest := 0, time.Duration(0)
		for seed := range uint64(500) {
			b := mutate(rand.New(rand.NewPCG(seed, 2)), sane, pageSize)
			start, before := testkit.CPU(t), allocated()
			if readAll(t, b) {
				databases++
			}
			took, used := testkit.CPU(t)-start, allocated()-before
			slowest = max(slowest, took)
			if took > 5*time.Second || used > 96<<20 {
				t.Fatalf("seed %d: took %s and %d MiB", seed, took, used>>20)
			}
		}
		if databases < 450 {
			t.Errorf("%d of 500 mutations are databases still: the others test little", databases)
		}
		t.Logf("pages of %d: %d KiB, the slowest took %s", pageSize, len(sane)>>10, slowest)
	}
}

func FuzzDatabase(f *testing.F) {
	// Small ones, of which a fuzzer tries thousands a second.
	d := small()
	d.leaf(9, 0, pair{[]byte("freed"), bytes.Repeat([]byte("4"), 1200)})
	d.leaf(10, 0, pair{[]byte("later"), []byte("5")})
	d.metas(8, 11)
	f.Add(slices.Clone(d.b))
	d.withFreelist(7, 6)
	f.Add(slices.Clone(d.b))
	d.inline(8, leafPage, 0)
	f.Add(slices.Clone(d.b))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Without a valid checksum nothing else would be tried.
		for page := 0; page+512 <= min(len(b), 1024); page += 512 {
			binary.LittleEndian.PutUint64(b[page+16+56:], checksum(b[page+16:page+16+56]))
		}
		readAll(t, b)
	})
}
