package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// small is a database with leaves of three pairs at the pages 2, 3 and 5 (which goes on in
// page 6), a branch page at 4, a freed leaf at 7, and the root bucket at 8.
func small() *disk {
	d := &disk{pageSize: 512}
	three := func(from int, last []byte) []pair {
		return []pair{
			{fmt.Appendf(nil, "k%d", from), []byte("one")},
			{fmt.Appendf(nil, "k%d", from+1), []byte("two")},
			{fmt.Appendf(nil, "k%d", from+2), last},
		}
	}
	d.leaf(2, 0, three(1, []byte("three"))...)
	d.leaf(3, 0, three(4, []byte("three"))...)
	d.branch(4, 2, 3, 5)
	d.leaf(5, 0, three(7, bytes.Repeat([]byte("3"), 600))...)
	d.leaf(7, 0, pair{[]byte("freed"), []byte("value")})
	d.bucket(8, 4)
	d.metas(8, 9)
	return d
}

// at returns the bytes of a page from an offset on.
func (d *disk) at(page, offset int) []byte { return d.b[page*d.pageSize+offset:] }

func (d *disk) set16(page, offset int, v uint16) {
	binary.LittleEndian.PutUint16(d.at(page, offset), v)
}

func (d *disk) set32(page, offset int, v uint32) {
	binary.LittleEndian.PutUint32(d.at(page, offset), v)
}

func (d *disk) set64(page, offset int, v uint64) {
	binary.LittleEndian.PutUint64(d.at(page, offset), v)
}

func TestDamageIsNamedAndTheRestRead(t *testing.T) {
	t.Parallel()
	all := []string{"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"}
	without := func(keys ...string) (rest []string) {
		for _, key := range all {
			if !slices.Contains(keys, key) {
				rest = append(rest, key)
			}
		}
		return rest
	}
	second, third := 16+16, 16+2*16 // offsets of elements
	for name, test := range map[string]struct {
		change func(d *disk)
		want   string // damage, at the page
		page   int
		keys   []string
	}{
		"nothing":                                  {func(*disk) {}, "", 0, all},
		"a branch that refers to itself":           {func(d *disk) { d.set64(4, second+8, 4) }, "refers to page 4, which another page refers to", 4, without("k4", "k5", "k6")},
		"a leaf that is referred to twice":         {func(d *disk) { d.set64(4, second+8, 2) }, "refers to page 2, which another page refers to", 4, without("k4", "k5", "k6")},
		"a page within another one":                {func(d *disk) { d.branch(4, 2, 5, 6) }, "refers to page 6, which another page refers to or contains", 4, without("k4", "k5", "k6")},
		"a page beyond the last one":               {func(d *disk) { d.set64(4, second+8, 9) }, "refers to page 9, but", 4, without("k4", "k5", "k6")},
		"a page number above every offset":         {func(d *disk) { d.set64(4, second+8, 1<<63) }, "refers to page 9223372036854775807, but", 4, without("k4", "k5", "k6")},
		"a meta page as a child":                   {func(d *disk) { d.set64(4, second+8, 1) }, "refers to page 1, but", 4, without("k4", "k5", "k6")},
		"a page that was written over":             {func(d *disk) { d.set64(3, 0, 77) }, "says that it is page 77", 3, without("k4", "k5", "k6")},
		"a page of an unknown type":                {func(d *disk) { d.set16(3, 8, 3) }, "neither branch nor leaf: flags 0x3", 3, without("k4", "k5", "k6")},
		"a freelist among the leaves":              {func(d *disk) { d.set16(3, 8, freelistPage) }, "neither branch nor leaf: flags 0x10", 3, without("k4", "k5", "k6")},
		"a count that is too high":                 {func(d *disk) { d.set16(3, 10, 4) }, "says that it has 4 elements, but they are 3", 3, all},
		"a count far beyond the page":              {func(d *disk) { d.set16(3, 10, 0xffff) }, "says that it has 65535 elements, but they are 3", 3, all},
		"a count that is too low":                  {func(d *disk) { d.set16(3, 10, 1) }, "says that it has 1 elements, but they are 3", 3, all},
		"a count of nothing":                       {func(d *disk) { d.set16(3, 10, 0) }, "says that it has 0 elements, but they are 3", 3, all},
		"a branch whose count is too low":          {func(d *disk) { d.set16(4, 10, 2) }, "says that it has 2 elements, but they are 3", 4, all},
		"pages claimed of another leaf":            {func(d *disk) { d.set32(2, 12, 1) }, "says that 1 pages continue it, but uses 0", 2, all},
		"more pages claimed than there are":        {func(d *disk) { d.set32(2, 12, 1<<31) }, "says that 2147483648 pages continue it, where 6 are possible", 2, all},
		"elements that go on in another page":      {func(d *disk) { d.set16(3, 10, 60); d.set32(3, 12, 1); d.set32(3, 16+4, 17) }, "page 3 contains page 4, which another page refers to", 3, without("k4", "k5", "k6")},
		"a page of a leaf left out":                {func(d *disk) { d.set32(5, 12, 0) }, "contradict each other or the page's length", 5, without("k9")},
		"a value longer than it is":                {func(d *disk) { d.set32(2, second+12, 10) }, "contradict each other", 2, without("k2")},
		"a value shorter than it is":               {func(d *disk) { d.set32(2, second+12, 1) }, "contradict each other", 2, without("k2")},
		"a value of 4 GiB":                         {func(d *disk) { d.set32(2, 16+12, 0xffffffff) }, "contradict each other", 2, without("k1")},
		"an element in another place":              {func(d *disk) { d.set32(2, second+4, 36) }, "contradict each other", 2, without("k2")},
		"an element within the elements":           {func(d *disk) { d.set32(2, second+4, 0) }, "contradict each other", 2, without("k2")},
		"the first element in another place":       {func(d *disk) { d.set32(2, 16+4, 17) }, "contradict each other", 2, without("k1")},
		"the last value longer than the page":      {func(d *disk) { d.set32(2, third+12, 4096) }, "contradict each other", 2, without("k3")},
		"a root bucket beyond the last page":       {func(d *disk) { d.metas(99, 9) }, "refers to page 99, but", 0, nil},
		"a bucket that is too short":               {func(d *disk) { d.set32(8, 16+12, 15) }, "a bucket has only 15 bytes", 8, nil},
		"an inline bucket without a page":          {func(d *disk) { d.bucket(8, 0) }, "an inline bucket has no page", 8, nil},
		"a bucket within an inline bucket":         {func(d *disk) { d.inline(8, leafPage, 1) }, "says that it contains buckets", 8, nil},
		"an inline bucket that is not a leaf":      {func(d *disk) { d.inline(8, branchPage, 0) }, "is not a leaf: flags 0x1", 8, nil},
		"a file that ends in the last page":        {func(d *disk) { d.b = d.b[:len(d.b)-100] }, "refers to page 8, where the file has ended", 0, nil},
		"a tree as deep as it is long":             {func(d *disk) { d.deep(100) }, "lies deeper than 64 levels", 71, nil},
		"a freelist that is something else":        {func(d *disk) { d.withFreelist(7) }, "page 7 should be the freelist and is not", 7, all},
		"a freelist that is a leaf in use":         {func(d *disk) { d.withFreelist(3) }, "refers to page 3, which another page", 0, all},
		"a freelist that lists a page in use":      {func(d *disk) { d.withFreelist(7, 3) }, "the freelist has page 3, which is in use", 7, all},
		"a freelist that lists no page":            {func(d *disk) { d.withFreelist(7, 1) }, "the freelist has page 1, but", 7, all},
		"a freelist that is longer than its page":  {func(d *disk) { d.withFreelist(7, 6); d.set16(7, 10, 100) }, "says that it has 100 pages, where 62 fit", 7, all},
		"a freelist of more pages than 64-bit has": {func(d *disk) { d.withFreelist(7, 1<<63); d.set16(7, 10, 0xffff) }, "says that it has 9223372036854775807 pages, where 61 fit", 7, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := small()
			test.change(d)
			f := open(t, d.b)
			reach := testkit.Must(f.Reach(context.Background()))(t)
			if test.want == "" {
				sound(t, reach.Damages)
			} else if !slices.ContainsFunc(reach.First, func(found bolt.Damage) bool {
				return strings.Contains(found.Reason, test.want) && int(found.Offset)/d.pageSize == test.page
			}) {
				t.Errorf("page %d should be damaged: %s\nfound: %v", test.page, test.want, reach.First)
			}
			if diff := cmp.Diff(test.keys, keys(t, f)); test.keys != nil && diff != "" {
				t.Errorf("keys that can be read: %s", diff)
			}
			readAll(t, d.b)
		})
	}
}

// inline makes page id a root bucket of one inline bucket with one pair.
func (d *disk) inline(id, flags int, elementFlags uint32) {
	page := disk{pageSize: 64}
	page.leaf(0, elementFlags, pair{[]byte("k"), []byte("v")})
	page.b[8] = byte(flags)
	d.leaf(id, 1, pair{[]byte("key"), slices.Concat(make([]byte, 16), page.b)})
}

// deep puts a chain of branch pages behind the others.
func (d *disk) deep(levels int) {
	for i := range levels {
		d.branch(9+i, 10+i)
	}
	d.leaf(9+levels, 0)
	d.bucket(8, 9)
	d.metas(8, 10+levels)
}

// withFreelist makes page 7 a list of pages, if any are given, and the database refer to
// page id as its freelist.
func (d *disk) withFreelist(id int, pages ...uint64) {
	if len(pages) > 0 {
		d.header(7, freelistPage, len(pages), 0)
		for i, page := range pages {
			d.set64(7, 16+8*i, page)
		}
	}
	for page := range 2 {
		d.set64(page, 16+32, uint64(id))
		d.set64(page, 16+56, checksum(d.at(page, 16)[:56]))
	}
}

// keys reads the keys of the bucket "key".
func keys(t *testing.T, f *bolt.File) (all []string) {
	t.Helper()
	buckets, _, err := f.Buckets(context.Background())
	testkit.Check(t, err)
	for _, b := range buckets {
		_, err := f.Leaves(context.Background(), b, false, func(l bolt.Leaf) error {
			for i := range l.Len() {
				if key, _, _, err := l.Element(i); err == nil {
					all = append(all, string(key))
				}
			}
			return nil
		})
		testkit.Check(t, err)
	}
	return all
}

func TestDamageIsCountedBeyondItsList(t *testing.T) {
	t.Parallel()
	d := &disk{pageSize: 512}
	d.branch(2, slices.Repeat([]int{1}, 1000)...)
	root := len(d.b) / d.pageSize
	d.bucket(root, 2)
	d.metas(root, root+1)
	reach := testkit.Must(open(t, d.b).Reach(context.Background()))(t)
	if len(reach.First) != 100 || reach.More != 900 {
		t.Errorf("%d damages are listed and %d counted, of 1000", len(reach.First), reach.More)
	}
}

func TestNoMoreNamesOfBucketsAreKeptThanTheBudgetAllows(t *testing.T) {
	t.Parallel()
	d := &disk{pageSize: 65536}
	var buckets []pair
	for i := range 60 {
		buckets = append(buckets, pair{append(bytes.Repeat([]byte("n"), 30000), byte(i)), make([]byte, 64)})
	}
	d.leaf(2, 1, buckets...)
	d.metas(2, len(d.b)/d.pageSize)
	got, damages, err := open(t, d.b).Buckets(context.Background())
	testkit.Check(t, err)
	if want := (1 << 20) / 30065; len(got) != want || !slices.ContainsFunc(damages.First, func(d bolt.Damage) bool {
		return strings.Contains(d.Reason, "too many buckets")
	}) {
		t.Errorf("%d buckets, want %d; damage %v", len(got), want, damages.First)
	}
}

// The size of a file is taken before it is read, and something can cut it in between.
func TestAFileThatIsCutWhileItIsReadIsDamaged(t *testing.T) {
	t.Parallel()
	d := small()
	for end := 1024; end < len(d.b); end += 100 {
		f := testkit.Must(bolt.Open(bytes.NewReader(d.b[:end]), int64(len(d.b))))(t)
		reach := testkit.Must(f.Reach(context.Background()))(t)
		if !reach.Any() {
			t.Errorf("a file cut to %d bytes is sound", end)
		}
		keys(t, f)
		for _, run := range rest(t, f, reach) {
			if run.Kind == bolt.LeafPage {
				_, _, err := f.Leaf(run, nil)
				testkit.Check(t, err)
			}
		}
	}
}

// A value can hold what looks like a page. It must not be able to hide anything: the run is
// only taken for shorter than it is, and what is left of it is shown without a head.
func TestAValueThatImitatesPagesHidesNothing(t *testing.T) {
	t.Parallel()
	d := small()
	d.leaf(9, 0, pair{[]byte("k"), make([]byte, 2000)})
	copy(d.at(11, 0), d.at(9, 0)[:16])
	d.set64(11, 0, 11)
	d.b[12*512] = 'x' // behind the imitated leaf, which uses one page
	d.metas(8, 13)
	f := open(t, d.b)
	reach := testkit.Must(f.Reach(context.Background()))(t)
	want := []bolt.Run{
		{Kind: bolt.LeafPage, Page: 7, Offset: 7 * 512, Length: 512},
		{Kind: bolt.LeafPage, Page: 9, Offset: 9 * 512, Length: 1024, Cut: true},
		{Kind: bolt.LeafPage, Page: 11, Offset: 11 * 512, Length: 512, Cut: true},
		{Page: 12, Offset: 12 * 512, Length: 512},
	}
	if diff := cmp.Diff(want, rest(t, f, reach)); diff != "" {
		t.Error(diff)
	}
}
