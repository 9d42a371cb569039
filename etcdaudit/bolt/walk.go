package bolt

import (
	"context"
	"slices"
)

// maxDepth bounds the branch pages and buckets that lie within one another. bbolt's
// trees have six levels at the very most.
const maxDepth = 64

// ctxEvery is how many pages are read between two looks at the context.
const ctxEvery = 256

// walk goes through a tree of pages. Each page is looked at once: what refers to it again
// is damage. So a walk ends, and reads no more than the file holds.
type walk struct {
	*File
	// near holds pages that lie close together, far a run that goes beyond near.
	near, far window
	// seen are the pages that were looked at.
	seen  bitmap
	stack []level
	// overflow of the leaf before.
	overflow int64
	damages  Damages

	// nested is set once a bucket was met within the one that is walked.
	nested bool
	// walked is the root of a bucket that was walked before the others; 0 for none.
	walked int64
	// backwards is set to walk in the opposite order of keys.
	backwards bool
	// leaf gets every leaf; nil to read only as much of a leaf as shows what it holds.
	leaf func(Leaf) error
	// reach gets the pages that are part of the tree, and has a walk without leaf follow the
	// buckets within buckets; nil for neither.
	reach *Reach
}

// level is the pages that one page refers to, in the order of the walk.
type level struct {
	from  int64 // offset of the page that refers to them
	pages []int64
	next  int
}

func (f *File) newWalk() *walk {
	return &walk{
		File: f,
		near: window{r: f.r, size: f.size},
		far:  window{r: f.r, size: f.size},
		seen: newBitmap(f.pages),
	}
}

// tree walks the tree whose root is the given page. from is the offset of what says so.
func (w *walk) tree(ctx context.Context, from int64, root int64) error {
	w.push(from)
	w.refer(root)
	for visited := 0; len(w.stack) > 0; visited++ {
		if visited%ctxEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		top := &w.stack[len(w.stack)-1]
		if top.next == len(top.pages) {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		page := top.pages[top.next]
		top.next++
		if page != 0 && page == w.walked {
			w.walked = 0 // what refers to it again is damage
			continue
		}
		if !w.admits(top.from, page) {
			continue
		}
		if err := w.fetch(page, top.pages[top.next:]); err != nil {
			return err
		}
		if err := w.visit(page); err != nil {
			return err
		}
	}
	return nil
}

// push begins a level, in the memory of an earlier one if there is one.
func (w *walk) push(from int64) {
	n := len(w.stack)
	w.stack = slices.Grow(w.stack, 1)[:n+1]
	w.stack[n] = level{from: from, pages: w.stack[n].pages[:0]}
}

// refer adds a page to the level that was begun last.
func (w *walk) refer(page int64) {
	top := &w.stack[len(w.stack)-1]
	top.pages = append(top.pages, page)
}

// admits reports whether a page that another one refers to is to be looked at.
func (w *walk) admits(from int64, page int64) bool {
	switch {
	case page < 2 || page >= w.meta.HighWater:
		w.damages.add(from, "refers to page %d, but the database's pages are 2 to %d", page, w.meta.HighWater-1)
	case page >= w.pages:
		w.damages.add(from, "refers to page %d, where the file has ended", page)
	case w.seen.has(page):
		w.damages.add(from, "refers to page %d, which another page refers to or contains", page)
	default:
		w.seen.set(page)
		return true
	}
	return false
}

// fetch reads a page, and with it those of the following pages that lie close to it.
func (w *walk) fetch(page int64, following []int64) error {
	pageSize := w.meta.PageSize
	if w.near.has(w.offset(page), pageSize) {
		return nil
	}
	first, last, before := page, page, page
	for _, p := range following {
		// Runs of pages that follow each other are as far apart as they are long. Where
		// it is farther, more would be read than is used.
		distance := max(p, before) - min(p, before)
		low, high := min(first, p), max(last, p)
		if p >= w.pages || distance > 2*(w.overflow+1) || (high-low+1+w.overflow)*pageSize > windowSize {
			break
		}
		first, last, before = low, high, p
	}
	length := last - first + 1
	if length > 1 {
		length += w.overflow
	}
	_, err := w.near.view(w.offset(first), length*pageSize)
	return err
}

// bytes returns a part of the file that is valid until the next page is fetched, or until
// the next call that asks for more than near holds.
func (w *walk) bytes(offset, length int64) ([]byte, error) {
	if w.near.has(offset, length) {
		return w.near.view(offset, length)
	}
	return w.far.view(offset, length)
}

// visit looks at a page that was fetched.
func (w *walk) visit(page int64) error {
	offset := w.offset(page)
	b, err := w.bytes(offset, w.meta.PageSize)
	if err != nil {
		return err
	}
	if int64(len(b)) < w.meta.PageSize {
		w.damages.add(offset, "the file ends within page %d", page)
		return nil
	}
	h := parseHeader(b)
	switch {
	case h.id != page:
		w.damages.add(offset, "the page in the place of page %d says that it is page %d", page, h.id)
	case h.flags == flagLeaf:
		return w.visitLeaf(page, h)
	case h.flags == flagBranch:
		return w.visitBranch(page, h)
	default:
		w.damages.add(offset, "page %d is neither branch nor leaf: flags %#x", page, h.flags)
	}
	return nil
}

func (w *walk) visitLeaf(page int64, h header) error {
	offset := w.offset(page)
	e, s, length, err := w.elements(page, h)
	if err != nil {
		return err
	}
	if w.reach != nil {
		w.reach.Leaves++
	}
	w.nested = w.nested || s.buckets
	if w.leaf == nil && (w.reach == nil || !s.buckets) {
		return nil
	}
	if e.b, err = w.bytes(offset, length); err != nil {
		return err
	}
	if int64(len(e.b)) < length {
		w.damages.add(offset, "the file ends within leaf page %d", page)
		return nil
	}
	l := newLeaf(page, offset, e, s)
	if w.leaf == nil {
		w.visitBuckets(l)
		return nil
	}
	return w.leaf(l)
}

// visitBuckets goes on with the pages of the buckets within a leaf.
func (w *walk) visitBuckets(l Leaf) {
	if !w.descend(l.Offset) {
		return
	}
	for i := range l.Len() {
		if !l.IsBucket(i) {
			continue
		}
		_, value, offset, err := l.Element(i)
		if err != nil {
			continue // which is damage of the leaf already
		}
		b, ok := parseBucket(value, offset, &w.damages)
		if ok && b.Root != 0 {
			w.refer(b.Root)
		} else if ok {
			inlineLeaf(value[bucketSize:], offset+bucketSize, &w.damages)
		}
	}
}

func (w *walk) visitBranch(page int64, h header) error {
	e, s, length, err := w.elements(page, h)
	if err != nil {
		return err
	}
	switch {
	case w.reach == nil:
	case !s.joined || s.end > length:
		w.reach.remove(page, length/w.meta.PageSize) // it may be a leaf, and hold values
	default:
		w.reach.Branches++
	}
	if !w.descend(w.offset(page)) {
		return nil
	}
	for i := range e.n {
		w.refer(pageNumber(e.head(i)[8:]))
	}
	if w.backwards {
		slices.Reverse(w.stack[len(w.stack)-1].pages)
	}
	return nil
}

// descend begins a level for what a page refers to.
func (w *walk) descend(offset int64) bool {
	if len(w.stack) == maxDepth {
		w.damages.add(offset, "the page lies deeper than %d levels", maxDepth)
		return false
	}
	w.push(offset)
	return true
}

// elements reads the elements of a page, and takes the pages that they use for its own.
// It returns the length of all these pages in bytes.
func (w *walk) elements(page int64, h header) (e elements, s survey, length int64, err error) {
	offset := w.offset(page)
	room := min(h.length(w.meta.PageSize), maxRun, w.offset(w.pages)-offset)
	e, err = readElements(h, room, func(n int64) ([]byte, error) { return w.bytes(offset, n) })
	if err != nil {
		return e, s, 0, err
	}
	if e.n != int(h.count) {
		w.damages.add(offset, "page %d says that it has %d elements, but they are %d", page, h.count, e.n)
	}
	s = e.survey()
	pages := w.claim(page, h, s.end)
	length = pages * w.meta.PageSize
	if !s.joined || s.end > length {
		w.damages.add(offset, "elements of page %d contradict each other or the page's length", page)
	}
	// Where another page has what should continue this one, elements can be cut off.
	e.n = min(e.n, int(length-headerSize)/elementSize)
	if e.leaf {
		// Of one huge value nothing follows for the distance of others.
		w.overflow = min(pages-1, windowSize/w.meta.PageSize)
	}
	return e, s, length, nil
}

// claim takes for a page those that follow it, as many as it says and really uses. end is
// where what it uses ends, from its first byte. It returns how many pages these are, with
// the first.
func (w *walk) claim(page int64, h header, end int64) int64 {
	pages, pageSize := h.overflow+1, w.meta.PageSize
	most := min(maxRun/pageSize, w.pages-page)
	// A page that says too much would hide others, so it is held to what it uses.
	// Versions of bbolt before 1.4 take one page more where the last one is just full.
	used := end/pageSize + 1
	if pages > most {
		w.damages.add(w.offset(page), "page %d says that %d pages continue it, where %d are possible", page, h.overflow, most-1)
		pages = most
	}
	if pages > used {
		w.damages.add(w.offset(page), "page %d says that %d pages continue it, but uses %d", page, h.overflow, used-1)
		pages = used
	}
	for p := page; p < page+pages; p++ {
		if p > page && w.seen.has(p) {
			w.damages.add(w.offset(page), "page %d contains page %d, which another page refers to or contains", page, p)
			return w.took(page, p-page)
		}
		w.seen.set(p)
	}
	return w.took(page, pages)
}

// took notes that the pages are part of the tree.
func (w *walk) took(page, pages int64) int64 {
	if w.reach != nil {
		w.reach.add(page, pages)
	}
	return pages
}
