package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// Leaves that lie together are read together, and a long one between them has a buffer of its
// own: what is used of either must not be written over while more is read.
func TestWhatIsReadAheadLeavesWhatIsUsed(t *testing.T) {
	t.Parallel()
	const groups, long = 40, 300 << 10
	d := disk{pageSize: 4096}
	value := func(i, size int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, size) }
	var order []int
	next := 4
	for g := range groups {
		// In the order of the keys the second page comes first, then the third, then the first.
		d.leaf(next, 0, pair{fmt.Appendf(nil, "%04d", 3*g+2), value(3*g+2, 1000)})
		d.leaf(next+1, 0, pair{fmt.Appendf(nil, "%04d", 3*g), value(3*g, 1000)})
		big := pair{fmt.Appendf(nil, "%04d", 3*g+1), value(3*g+1, long)}
		d.leaf(next+2, 0, big)
		order = append(order, next+1, next+2, next)
		next += 2 + d.pagesFor([]pair{big})
	}
	d.branch(next, order...)
	d.bucket(3, next)
	d.page(2, 1)
	d.metas(3, next+1)
	f := open(t, d.b)
	buckets, _, err := f.Buckets(context.Background())
	testkit.Check(t, err)
	seen := 0
	damages, err := f.Leaves(context.Background(), buckets[0], false, func(l bolt.Leaf) error {
		for range 100 {
			runtime.Gosched() // as much is read as can be
		}
		key, got, _, err := l.Element(0)
		testkit.Check(t, err)
		if want := value(seen, len(got)); string(key) != fmt.Sprintf("%04d", seen) || !bytes.Equal(got, want) {
			t.Errorf("leaf %d shows key %q and another value", seen, key)
		}
		seen++
		return nil
	})
	testkit.Check(t, err)
	sound(t, damages)
	if seen != 3*groups {
		t.Errorf("%d leaves", seen)
	}
}

// long counts the reads of more than 256 KiB.
type long struct {
	*bytes.Reader
	reads atomic.Int64
}

func (l *long) ReadAt(p []byte, offset int64) (int, error) {
	if len(p) > 256<<10 {
		l.reads.Add(1)
	}
	return l.Reader.ReadAt(p, offset)
}

func TestLongLeavesAreNotInMemoryTogether(t *testing.T) {
	t.Parallel()
	for _, size := range []int{300 << 10, 5 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { oneAtATime(t, size) })
	}
}

func oneAtATime(t *testing.T, size int) {
	d := disk{pageSize: 4096}
	next := 4
	var order []int
	for i := range 5 {
		big := pair{fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte{byte(i)}, size)}
		d.leaf(next, 0, big)
		order = append(order, next)
		next += d.pagesFor([]pair{big})
	}
	d.branch(next, order...)
	d.bucket(3, next)
	d.page(2, 1)
	d.metas(3, next+1)
	r := &long{Reader: bytes.NewReader(d.b)}
	f := testkit.Must(bolt.Open(r, int64(len(d.b))))(t)
	buckets, _, err := f.Buckets(context.Background())
	testkit.Check(t, err)
	seen := int64(0)
	_, err = f.Leaves(context.Background(), buckets[0], false, func(bolt.Leaf) error {
		for range 100 {
			runtime.Gosched() // as much is read as can be
		}
		if seen++; r.reads.Load() > seen {
			t.Errorf("%d are read while one is used that is number %d", r.reads.Load(), seen)
		}
		return nil
	})
	testkit.Check(t, err)
	if seen != 5 || r.reads.Load() != 5 {
		t.Errorf("%d leaves in %d long reads", seen, r.reads.Load())
	}
}

// bbolt writes no inline bucket of more than a quarter of a page, so a hostile file may have one
// whose leaf is found long before the buckets behind it.
func TestALeafOfAnInlineBucketStaysWhileOthersAreRead(t *testing.T) {
	t.Parallel()
	inline := func(size int, key, value string) []byte {
		page := disk{pageSize: size}
		page.leaf(0, 0, pair{[]byte(key), bytes.Repeat([]byte(value), size*3/4)})
		return slices.Concat(make([]byte, 16), page.b)
	}
	d := disk{pageSize: 512}
	d.leaf(2, 1, pair{[]byte("key"), inline(2048, "k", "v")})
	d.leaf(8, 1, pair{[]byte("a"), inline(1024, "o", "w")})
	d.branch(11, 8, 2)
	d.metas(11, 12)
	f := open(t, d.b)
	buckets, _, err := f.Buckets(t.Context())
	testkit.Check(t, err)
	var kept bolt.Leaf
	var end func()
	_ = testkit.Must(f.Walk(t.Context(), buckets[len(buckets)-1], true, func(l []bolt.Leaf, done func()) error {
		kept, end = l[0], done
		return nil
	}))(t)
	key, value, _, err := kept.Element(0)
	if err != nil || string(key) != "k" || len(value) != 1536 || bytes.ContainsRune(value, 'w') {
		t.Errorf("%q with %d bytes, %v", key, len(value), err)
	}
	end()
}
