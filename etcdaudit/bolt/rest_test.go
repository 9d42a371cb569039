package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// written is one run of pages that was written at some time.
type written struct {
	kind        int
	head, pages int
	live        bool
	pairs       []pair
}

// history allocates, frees and overwrites runs of pages as bbolt does, and knows what was
// written last to each page.
type history struct {
	disk
	random *rand.Rand
	last   map[int]*written // by page
	live   []*written
	end    int // the first page that was never allocated
}

// write takes free pages, or new ones, for a run of random length.
func (h *history) write(kind int) {
	w := &written{kind: kind, live: true}
	switch kind {
	case leafPage:
		for i := range 1 + h.random.IntN(6) {
			v := bytes.Repeat([]byte{byte(1 + h.random.IntN(255))}, 1+h.random.IntN(h.pageSize*3/2))
			w.pairs = append(w.pairs, pair{fmt.Appendf(nil, "key%d", i), v})
		}
		w.pages = h.pagesFor(w.pairs)
		w.head = h.allocate(w.pages)
		h.leaf(w.head, 0, w.pairs...)
	case branchPage:
		children := slices.Repeat([]int{2}, 1+h.random.IntN(150))
		w.pages = h.branchPages(children)
		w.head = h.allocate(w.pages)
		h.branch(w.head, children...)
	default:
		w.pages = 1 + h.random.IntN(4)
		w.head = h.allocate(w.pages)
		ids := h.header(w.head, kind, w.pages*h.pageSize/8-2, w.pages-1)[16:]
		for i := range ids {
			ids[i] = 1
		}
	}
	for p := w.head; p < w.head+w.pages; p++ {
		h.last[p] = w
	}
	h.live = append(h.live, w)
}

func (h *history) allocate(pages int) int {
	fits := func(head int) bool {
		for p := head; p < head+pages; p++ {
			if p >= h.end || (h.last[p] != nil && h.last[p].live) {
				return false
			}
		}
		return true
	}
	from := 2 + h.random.IntN(h.end)
	for head := from; head < h.end; head++ {
		if fits(head) {
			return head
		}
	}
	// Some pages are taken by a transaction and never written.
	head := h.end + h.random.IntN(2)
	h.end = head + pages
	return head
}

// finish makes the runs of leaves that are live a database, and frees all others.
func (h *history) finish() {
	var children []int
	for _, w := range h.live {
		if w.live = w.kind == leafPage; w.live {
			children = append(children, w.head)
		}
	}
	tree := h.end
	h.branch(tree, children...)
	root := len(h.b) / h.pageSize
	h.bucket(root, tree)
	h.end = root + 1
	h.metas(root, h.end)
	for p := tree; p < h.end; p++ {
		h.last[p] = &written{live: true}
	}
}

// want is what Rest has to find: of each run that is not live what is still whole from its
// head on, and the other pages that were ever written as sequences without a head.
func (h *history) want() (runs []bolt.Run) {
	kinds := map[int]bolt.Kind{leafPage: bolt.LeafPage, branchPage: bolt.BranchPage, freelistPage: bolt.FreelistPage}
	for p := 2; p < h.end; {
		w := h.last[p]
		if w == nil || w.live {
			p++
			continue
		}
		run := bolt.Run{Page: int64(p), Offset: int64(p * h.pageSize)}
		if w.head == p {
			for p < w.head+w.pages && h.last[p] == w {
				p++
			}
			run.Kind = kinds[w.kind]
			run.Cut = p < w.head+w.pages
		} else {
			for h.last[p] != nil && !h.last[p].live && h.last[p].head != p {
				p++
			}
		}
		run.Length = int64(p*h.pageSize) - run.Offset
		runs = append(runs, run)
	}
	return runs
}

func TestARunIsWhatWasWrittenLastAndNothingMore(t *testing.T) {
	t.Parallel()
	var cut, headless int
	for seed := range uint64(150) {
		h := &history{disk: disk{pageSize: 512}, random: rand.New(rand.NewPCG(seed, 1)), last: map[int]*written{}, end: 2}
		for range 20 + h.random.IntN(300) {
			if len(h.live) > 40 || (len(h.live) > 5 && h.random.IntN(3) == 0) {
				i := h.random.IntN(len(h.live))
				h.live[i].live = false
				h.live = slices.Delete(h.live, i, i+1)
				continue
			}
			h.write([]int{leafPage, leafPage, leafPage, leafPage, branchPage, freelistPage}[h.random.IntN(6)])
		}
		h.finish()
		f := open(t, h.b)
		reach := testkit.Must(f.Reach(context.Background()))(t)
		sound(t, reach.Damages)
		got := rest(t, f, reach)
		if diff := cmp.Diff(h.want(), got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		inParts(t, h.b, f, reach, got, func() {})
		for _, run := range got {
			switch {
			case run.Kind == bolt.Headless:
				headless++
			case run.Cut:
				cut++
			}
			if run.Kind == bolt.LeafPage {
				h.checkLeaf(t, f, run)
			}
		}
	}
	if cut < 100 || headless < 100 {
		t.Errorf("%d cut and %d headless runs test too little", cut, headless)
	}
}

// checkLeaf reads a freed leaf. Exactly the elements that end in what is left of it can be
// read.
func (h *history) checkLeaf(t *testing.T, f *bolt.File, run bolt.Run) {
	t.Helper()
	leaf, _, err := f.Leaf(run, nil)
	testkit.Check(t, err)
	w := h.last[int(run.Page)]
	if leaf.Len() != len(w.pairs) {
		t.Fatalf("the leaf at page %d has %d elements, want %d", run.Page, leaf.Len(), len(w.pairs))
	}
	end := 16 + 16*len(w.pairs)
	for i, p := range w.pairs {
		end += len(p.key) + len(p.value)
		key, value, offset, err := leaf.Element(i)
		if int64(end) > run.Length {
			if err == nil {
				t.Fatalf("element %d of the leaf at page %d is cut, and read", i, run.Page)
			}
			continue
		}
		testkit.Check(t, err)
		if !equalPairs(pair{key, value}, p) || !bytes.Equal(h.b[offset:offset+int64(len(value))], value) {
			t.Fatalf("element %d of the leaf at page %d differs", i, run.Page)
		}
	}
}

func rest(t testing.TB, f *bolt.File, reach *bolt.Reach) (runs []bolt.Run) {
	t.Helper()
	testkit.Check(t, f.Rest(context.Background(), reach, func(run bolt.Run) error {
		runs = append(runs, run)
		return nil
	}))
	return runs
}

func TestEveryPageIsReachedOrRestOrZeros(t *testing.T) {
	t.Parallel()
	for _, pageSize := range []int{512, 4096} {
		db := newDatabase(t, 7, 80, largest, bbolt.Options{PageSize: pageSize, NoFreelistSync: true})
		file := read(t, db)
		f := open(t, file)
		reach := testkit.Must(f.Reach(context.Background()))(t)
		runs := rest(t, f, reach)
		inParts(t, file, f, reach, runs, func() {})
		covered := make([]int, len(file)/pageSize)
		for p := range covered {
			if reach.Has(int64(p)) {
				covered[p]++
			}
		}
		leaves, buf := 0, []byte(nil)
		for _, run := range runs {
			for p := range run.Length / int64(pageSize) {
				covered[run.Page+p]++
			}
			if run.Kind == bolt.LeafPage {
				var err error
				_, buf, err = f.Leaf(run, buf)
				testkit.Check(t, err)
				leaves++
			}
		}
		for p, times := range covered {
			if zero := bytes.Count(file[p*pageSize:(p+1)*pageSize], []byte{0}) == pageSize; times > 1 || (times == 0 && !zero) {
				t.Errorf("page %d is covered %d times", p, times)
			}
		}
		if leaves == 0 {
			t.Error("no freed leaf tests nothing")
		}
	}
}
