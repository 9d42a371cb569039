package bolt

import (
	"errors"
	"fmt"
	"io"
)

// maxPages bounds the bits that are kept for pages: 1 TiB in pages of 4 KiB, 64 MiB of
// bits.
const maxPages = 1 << 28

// ErrNotDatabase is the error for a file that has no meta page of bbolt in either place.
var ErrNotDatabase = errors.New("not a bbolt database")

// File is a database file as one of its meta pages describes it. It may be used by
// several goroutines if its io.ReaderAt may.
type File struct {
	r     io.ReaderAt
	size  int64
	meta  Meta
	older *Meta
	// metas says what is wrong with a meta page.
	metas Damages
	// pages is how many pages of the database the file holds whole.
	pages int64
}

// Open reads the two meta pages and takes the newer one that is valid. If neither is,
// the error says why of each; it is ErrNotDatabase where there is nothing like a meta
// page. The size is that of the file in bytes; what follows the database's pages, such
// as the hash at the end of a snapshot, may be in it.
func Open(r io.ReaderAt, size int64) (*File, error) {
	first, err0, err := readMeta(r, size, 0, 0)
	if err != nil {
		return nil, err
	}
	if err0 == nil {
		second, err1, err := readMeta(r, size, 1, first.PageSize)
		switch {
		case err != nil:
			return nil, err
		case err1 != nil:
			return newFile(r, size, first, nil, Damage{first.PageSize, "meta page 1: " + err1.Error()})
		case second.Txid > first.Txid:
			return newFile(r, size, second, &first)
		default:
			return newFile(r, size, first, &second)
		}
	}
	// The size of a page is in the damaged page only, so the other one is looked for.
	err1 := errNoMagic
	for pageSize := int64(minPageSize); pageSize <= maxPageSize; pageSize *= 2 {
		second, reason, err := readMeta(r, size, 1, pageSize)
		if err != nil {
			return nil, err
		}
		if reason == nil {
			return newFile(r, size, second, nil, Damage{0, "meta page 0: " + err0.Error()})
		}
		if !errors.Is(reason, errNoMagic) {
			err1 = reason
		}
	}
	if errors.Is(err0, errNoMagic) && errors.Is(err1, errNoMagic) {
		return nil, ErrNotDatabase
	}
	return nil, fmt.Errorf("no meta page of the database is valid: page 0: %w; page 1: %w", err0, err1)
}

// Pages returns a file without a tree: for Rest alone, with an empty Reach. It is for what is
// left of a database whose meta pages are gone, in pages of a size that the caller assumes, a
// power of two of at least 512 bytes.
func Pages(r io.ReaderAt, size, pageSize int64) *File {
	return &File{r: r, size: size, meta: Meta{PageSize: pageSize, HighWater: size / pageSize}, pages: size / pageSize}
}

// readMeta reads meta page 0 or 1 at the given offset. The first error says what is wrong
// with the page, the second that the file cannot be read.
func readMeta(r io.ReaderAt, size, page, offset int64) (m Meta, invalid, failed error) {
	b := make([]byte, headerSize+metaSize)
	if offset+int64(len(b)) > size {
		return m, errNoMagic, nil
	}
	n, err := r.ReadAt(b, offset)
	if n < len(b) {
		if errors.Is(err, io.EOF) {
			return m, errNoMagic, nil
		}
		return m, nil, readError(offset, err)
	}
	m, invalid = parseMeta(page, b)
	if invalid == nil && page == 1 && m.PageSize != offset {
		invalid = fmt.Errorf("it says that a page has %d bytes, and is at offset %d", m.PageSize, offset)
	}
	return m, invalid, nil
}

func newFile(r io.ReaderAt, size int64, meta Meta, older *Meta, metas ...Damage) (*File, error) {
	f := &File{r: r, size: size, meta: meta, older: older, metas: Damages{First: metas}}
	f.pages = min(meta.HighWater, size/meta.PageSize)
	if f.pages > maxPages {
		return nil, fmt.Errorf("the database has %d pages; more than %d are not read", f.pages, maxPages)
	}
	return f, nil
}

// Meta returns the meta page that the database is read from.
func (f *File) Meta() Meta { return f.meta }

// OlderMeta returns the other meta page, if it is valid: in a data directory the state
// before the last transaction. In a snapshot it is a copy of the newer one.
func (f *File) OlderMeta() (Meta, bool) {
	if f.older == nil {
		return Meta{}, false
	}
	return *f.older, true
}

// Older returns the database as the older meta page describes it, if that is valid.
// Pages of that state may have been used again since, which shows as damage.
func (f *File) Older() (*File, bool) {
	if f.older == nil {
		return nil, false
	}
	older, err := newFile(f.r, f.size, *f.older, &f.meta)
	return older, err == nil
}

func (f *File) offset(page int64) int64 { return page * f.meta.PageSize }
