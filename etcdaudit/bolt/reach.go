package bolt

import (
	"context"
)

// Reach are the pages that the database is made of: the meta pages, the freelist, and
// every page of every bucket. A page that is not as its place demands is not in it.
type Reach struct {
	// Damages are all that is wrong with the database: its meta pages, its freelist and
	// all its buckets.
	Damages
	// Branches and Leaves are the numbers of runs of either kind, Pages of all pages.
	Branches, Leaves, Pages int64

	pages bitmap
}

// Has reports whether the page is part of the database.
func (r *Reach) Has(page int64) bool {
	return page >= 0 && page/64 < int64(len(r.pages)) && r.pages.has(page)
}

func (r *Reach) add(page, pages int64) {
	for p := page; p < page+pages; p++ {
		r.pages.set(p)
	}
	r.Pages += pages
}

func (r *Reach) remove(page, pages int64) {
	for p := page; p < page+pages; p++ {
		r.pages.clear(p)
	}
	r.Pages -= pages
}

// Reach finds the pages that the database is made of, from those of all buckets, also
// of buckets within buckets. Values in continuation pages are not read.
func (f *File) Reach(ctx context.Context) (*Reach, error) {
	w := f.newReach()
	return w.reach, w.database(ctx)
}

// Walk is Reach, and gives the leaves of one bucket to each, in the order of Leaves, as many at
// once as were read at once: what both need is read once. The pages of this bucket are its own,
// whatever else refers to them. Unlike those of Leaves, the leaves are valid until done is called,
// once for each call of each; only so many are in memory, and the walk waits for room or for the
// context's end.
func (f *File) Walk(ctx context.Context, b Bucket, backwards bool, each func(leaves []Leaf, done func()) error) (*Reach, error) {
	w := f.newReach()
	if err := w.bucket(ctx, b, backwards, each); err != nil {
		return nil, err
	}
	if w.nested { // which etcd has not
		return f.Reach(ctx)
	}
	w.walked = b.Root
	return w.reach, w.database(ctx)
}

func (f *File) newReach() *walk {
	w := f.newWalk()
	w.reach = &Reach{pages: newBitmap(f.pages)}
	w.damages.First = append(w.damages.First, f.metas.First...)
	return w
}

// database walks all buckets but the one that was walked before.
func (w *walk) database(ctx context.Context) error {
	if w.pages < w.meta.HighWater {
		w.damages.add(w.size, "the file has %d of the database's %d pages: it is cut short", w.pages, w.meta.HighWater)
	}
	for _, m := range []*Meta{&w.meta, w.older} {
		if m != nil && m.Page < w.pages {
			w.reach.add(m.Page, 1)
		}
	}
	at := w.offset(w.meta.Page)
	if err := w.tree(ctx, at, w.meta.Root); err != nil {
		return err
	}
	if w.meta.HasFreelist && w.admits(at, w.meta.Freelist) {
		if err := w.freelist(ctx, w.meta.Freelist); err != nil {
			return err
		}
	}
	w.reach.Damages = w.damages
	return nil
}

// freelist takes the pages of the list of free pages, and compares the list with what the
// buckets have reached.
func (w *walk) freelist(ctx context.Context, page int64) error {
	offset := w.offset(page)
	b, err := w.far.view(offset, w.meta.PageSize)
	if err != nil {
		return err
	}
	if int64(len(b)) < w.meta.PageSize || !parseHeader(b).heads(page, w.meta.PageSize) || parseHeader(b).flags != flagFreelist {
		w.damages.add(offset, "page %d should be the freelist and is not", page)
		return nil
	}
	h := parseHeader(b)
	// bbolt sizes the run for the free pages before it takes the run from them, so it
	// can be longer than the list needs: it is held to its header only.
	pages := w.claim(page, h, h.length(w.meta.PageSize)-1)
	if b, err = w.far.view(offset, pages*w.meta.PageSize); err != nil {
		return err
	}
	ids, count := b[headerSize:], int64(h.count)
	if h.count == 0xffff {
		// The number does not fit into the header, and comes first.
		count, ids = pageNumber(ids), ids[8:]
	}
	if count > int64(len(ids)/8) {
		w.damages.add(offset, "the freelist says that it has %d pages, where %d fit", count, len(ids)/8)
		count = int64(len(ids) / 8)
	}
	for i := range count {
		if i%(ctxEvery<<8) == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		id := pageNumber(ids[8*i:])
		switch {
		case id < 2 || id >= w.meta.HighWater:
			w.damages.add(offset, "the freelist has page %d, but the database's pages are 2 to %d", id, w.meta.HighWater-1)
		case w.reach.Has(id):
			w.damages.add(offset, "the freelist has page %d, which is in use", id)
		}
	}
	return nil
}
