package bolt

import (
	"bytes"
	"context"
)

// Part is a part of what the database does not reach. No run goes beyond its ends, so that the
// runs of several parts can be found at the same time.
type Part struct {
	// Offset in the file, and Length, in bytes.
	Offset, Length int64
	// Long is the run that the part consists of where it is longer than parts were to be; nil
	// of others.
	Long *Run
}

// cuts is how many pages are looked at for a place to end a part. Nearly every run is shorter.
const cuts = 8

// Parts gives everything that the database does not reach to each, in the order of the file, in
// parts of at most so many bytes, unless one run alone is longer. Few pages are read for that. An
// error of each ends it and is returned as it is.
func (f *File) Parts(ctx context.Context, reach *Reach, size int64, each func(Part) error) error {
	r := f.newRest(ctx, reach)
	for page := int64(0); page < r.end; {
		if reach.Has(page) {
			page++
			continue
		}
		next, long, err := r.part(page, max(1, size/f.meta.PageSize))
		if err != nil {
			return err
		}
		p := Part{Offset: f.offset(page), Length: min(f.offset(next), f.size) - f.offset(page), Long: long}
		if err := each(p); err != nil {
			return err
		}
		page = next
	}
	return nil
}

// part returns the page behind the part that begins at a page, which has at most so many pages.
func (r *rest) part(page, most int64) (next int64, long *Run, err error) {
	limit, last := r.limit(page), page+most
	for next = page + 1; next < min(limit, last) && !r.reach.Has(next); next++ {
	}
	if next < last || next == limit || r.reach.Has(next) {
		return next, nil, nil
	}
	// Each header begins a run.
	for cut := last; cut > max(page, last-cuts); cut-- {
		if headed, err := r.headed(cut); headed || err != nil {
			return cut, nil, err
		}
	}
	for next = page; next < last; {
		run, end, err := r.run(next)
		switch {
		case err != nil:
			return 0, nil, err
		case end <= last:
			next = end
		case next > page:
			return next, nil, nil
		default:
			return end, &run, nil
		}
	}
	return next, nil, nil
}

// RestIn is Rest of one part, whose bytes were read before, as many of them as the file has.
func (f *File) RestIn(ctx context.Context, reach *Reach, p Part, b []byte, each func(Run) error) error {
	r := f.newRest(ctx, reach)
	r.end = (p.Offset + p.Length + f.meta.PageSize - 1) / f.meta.PageSize
	// What b has not is not read: b is the caller's, and must not be read into.
	r.window = window{r: bytes.NewReader(nil), size: f.size, at: p.Offset, buf: b}
	return r.runs(p.Offset/f.meta.PageSize, r.end, each)
}
