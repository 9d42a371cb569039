package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Kind is what a run of pages outside of the database was.
type Kind uint8

const (
	// Headless pages continued a run whose beginning was overwritten, or are not
	// bbolt's. Nothing proves that any two pages of such a run ever belonged together.
	Headless Kind = iota
	// LeafPage is a run with its header. All of the run was written at once, and nothing
	// of it was overwritten since; likewise of the two others.
	LeafPage
	// BranchPage is a run of keys, and of the pages that they led to.
	BranchPage
	// FreelistPage is a list of pages that were free.
	FreelistPage
	// MetaPage is a meta page that is damaged, with its header.
	MetaPage
)

// Run is a sequence of pages that are not part of the database.
type Run struct {
	Kind Kind
	// Page is the number of the first one.
	Page int64
	// Offset in the file, and Length, in bytes.
	Offset, Length int64
	// Beyond is set where the pages lie behind the database's last page.
	Beyond bool
	// Cut is set where the header names more pages than are left of the run.
	Cut bool
}

// Rest gives every run of pages that the database does not reach to each, in the order of
// the file, up to the file's end, which may lie within a page. Pages of zeros are left
// out unless they are within an intact run.
//
// A freed run is written over page by page by later ones. Each of these was written with a
// header in its first page, which has the page's own number. So what lies between a header
// and the next one, or the next page in use, was written with the first header, and the
// rest of what that header claims was not or cannot be told.
//
// An error of each ends the search and is returned as it is.
func (f *File) Rest(ctx context.Context, reach *Reach, each func(Run) error) error {
	r := f.newRest(ctx, reach)
	return r.runs(0, r.end, each)
}

func (f *File) newRest(ctx context.Context, reach *Reach) *rest {
	return &rest{
		File: f, ctx: ctx, reach: reach,
		end:    (f.size + f.meta.PageSize - 1) / f.meta.PageSize,
		window: window{r: f.r, size: f.size},
	}
}

// runs gives the runs between two pages to each.
func (r *rest) runs(page, end int64, each func(Run) error) error {
	for page < end {
		if r.reach.Has(page) {
			page++
			continue
		}
		run, next, err := r.run(page)
		if err != nil {
			return err
		}
		if run.Length > 0 {
			if err := each(run); err != nil {
				return err
			}
		}
		page = next
	}
	return nil
}

type rest struct {
	*File
	ctx   context.Context //nolint:containedctx // of one call
	reach *Reach
	// end is the first page that the file has nothing of.
	end int64
	// reads counts the headers read; last is what was read for page at.
	reads int
	at    int64
	last  header

	buf    [headerSize]byte
	window window
}

// run returns the run that begins at the page, and the page behind it; a run without
// length if the page is all zeros.
func (r *rest) run(page int64) (run Run, next int64, err error) {
	h, err := r.head(page)
	if err != nil {
		return run, 0, err
	}
	run = Run{Page: page, Offset: r.offset(page), Beyond: page >= r.meta.HighWater}
	if h.heads(page, r.meta.PageSize) {
		run.Kind = kindOf(h)
		next, err = r.intact(page, h)
	} else {
		next, err = r.headless(page)
	}
	if err != nil || next == page {
		return run, page + 1, err
	}
	run.Length = min(r.offset(next), r.size) - run.Offset
	run.Cut = run.Kind != Headless && run.Length < h.length(r.meta.PageSize)
	return run, next, nil
}

func kindOf(h header) Kind {
	switch h.flags {
	case flagLeaf:
		return LeafPage
	case flagBranch:
		return BranchPage
	case flagMeta:
		return MetaPage
	default:
		return FreelistPage
	}
}

// intact returns the page behind what is left of the run that begins at the page.
func (r *rest) intact(page int64, h header) (int64, error) {
	last := min(page+h.overflow+1, r.limit(page))
	for next := page + 1; next < last; next++ {
		headed, err := r.headed(next)
		if err != nil {
			return 0, err
		}
		if headed || r.reach.Has(next) {
			last = next
		}
	}
	if last == page+1 || h.flags == flagFreelist || h.flags == flagMeta {
		return last, nil
	}
	// What the page does not use was not written with it, whatever its header says.
	e, err := readElements(h, r.offset(last-page), func(n int64) ([]byte, error) { return r.window.view(r.offset(page), n) })
	return min(last, page+e.survey().end/r.meta.PageSize+1), err
}

// headless returns the page behind the pages without a header that begin at this one; the
// page itself if it is all zeros.
func (r *rest) headless(page int64) (int64, error) {
	next := page
	for ; next < r.limit(page) && !r.reach.Has(next); next++ {
		if headed, err := r.headed(next); headed || err != nil {
			return next, err
		}
		if zero, err := r.zero(next); zero || err != nil {
			return next, err
		}
	}
	return next, nil
}

// limit is the first page that is not on the same side of the database's last page.
func (r *rest) limit(page int64) int64 {
	if page < r.meta.HighWater {
		return min(r.meta.HighWater, r.end)
	}
	return r.end
}

func (r *rest) headed(page int64) (bool, error) {
	h, err := r.head(page)
	return h.heads(page, r.meta.PageSize), err
}

// head reads the header of a page; zeros where the file ends within it.
func (r *rest) head(page int64) (header, error) {
	if r.reads > 0 && r.at == page {
		return r.last, nil
	}
	if r.reads%ctxEvery == 0 && r.ctx.Err() != nil {
		return header{}, context.Cause(r.ctx)
	}
	clear(r.buf[:])
	if r.window.has(r.offset(page), min(headerSize, r.size-r.offset(page))) {
		copy(r.buf[:], r.window.buf[r.offset(page)-r.window.at:])
	} else if n, err := r.window.r.ReadAt(r.buf[:], r.offset(page)); n < headerSize && !errors.Is(err, io.EOF) {
		return header{}, readError(r.offset(page), err)
	}
	r.reads, r.at, r.last = r.reads+1, page, parseHeader(r.buf[:])
	return r.last, nil
}

// zero reports whether a page is all zeros.
func (r *rest) zero(page int64) (bool, error) {
	if h, err := r.head(page); h != (header{}) || err != nil {
		return false, err
	}
	offset, length := r.offset(page), r.meta.PageSize
	if length = min(length, r.size-offset); !r.window.has(offset, length) {
		if _, err := r.window.view(offset, windowSize); err != nil {
			return false, err
		}
	}
	b, err := r.window.view(offset, length)
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]), err
}

// Leaf reads a run of kind LeafPage that Rest has given, into buf, or into a larger buffer
// if that is too small. It returns the buffer for the next call; the leaf is valid until
// then. Of a run that is cut, the elements that go beyond what is left are errors.
func (f *File) Leaf(run Run, buf []byte) (Leaf, []byte, error) {
	if run.Kind != LeafPage || run.Length < headerSize || run.Length > maxRun {
		return Leaf{}, buf, fmt.Errorf("the run at offset %d is not a leaf page", run.Offset)
	}
	if int64(cap(buf)) < run.Length {
		buf = make([]byte, run.Length)
	}
	buf = buf[:run.Length]
	n, err := f.r.ReadAt(buf, run.Offset)
	if int64(n) < run.Length && !errors.Is(err, io.EOF) {
		return Leaf{}, buf, readError(run.Offset+int64(n), err)
	}
	l, err := f.LeafIn(run, buf[:n])
	return l, buf, err
}

// LeafIn is Leaf of a run whose bytes were read already, or as many of them as the file has.
func (f *File) LeafIn(run Run, b []byte) (Leaf, error) {
	if run.Kind != LeafPage || len(b) < headerSize || !parseHeader(b).heads(run.Page, f.meta.PageSize) {
		return Leaf{}, Damage{run.Offset, fmt.Sprintf("the header of page %d has changed since it was found", run.Page)}
	}
	e, _ := readElements(parseHeader(b), int64(len(b)), func(n int64) ([]byte, error) { return b[:n], nil }) // bytes in memory
	e.b = b
	return newLeaf(run.Page, run.Offset, e, e.survey()), nil
}
