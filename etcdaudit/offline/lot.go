package offline

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

const (
	// lotSize is how much is read at once of what the database does not reach, in bytes, unless
	// one run alone is longer. lotGap is how far apart its pieces may lie: what is between them is
	// read in vain.
	lotSize = 256 << 10
	lotGap  = 16 << 10
)

// lot is what one processor reads at a time.
type lot struct {
	pieces  []piece
	buf     []byte // the file from the first piece to the last
	records []record.Record
}

// piece is a run of pages, or a part of one whose pages do not belong together.
type piece struct {
	run      bolt.Run
	from, to int64
	// end is set where an object ends in it that begins elsewhere.
	end bool
}

func (l *lot) from() int64 { return l.pieces[0].from }
func (l *lot) to() int64   { return l.pieces[len(l.pieces)-1].to }
func (l *lot) size() int64 { return l.to() - l.from() }

// lots puts everything that can hold values, in the order of the file.
func (d *databaseSource) lots(ctx context.Context, reach *bolt.Reach, fresh func() *lot, put func(*lot) error) error {
	l := fresh()
	add := func(p piece) error {
		if len(l.pieces) > 0 && (p.to-l.from() > lotSize || p.from-l.to() > lotGap) {
			if err := put(l); err != nil {
				return err
			}
			l = fresh()
		}
		l.pieces = append(l.pieces, p)
		return nil
	}
	err := d.db.Rest(ctx, reach, func(run bolt.Run) error {
		end, step := run.Offset+run.Length, run.Length
		switch run.Kind {
		case bolt.LeafPage:
		case bolt.Headless, bolt.MetaPage:
			step = lotSize // whole pages: a page has at most 64 KiB
		default:
			return nil // pages that hold no values
		}
		for at := run.Offset; at < end; at += step {
			if err := add(piece{run: run, from: at, to: min(at+step, end)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(l.pieces) == 0 {
		return err
	}
	return put(l)
}

// readLot finds the records of a lot. They are views of its buffer.
func (d *databaseSource) readLot(ctx context.Context, l *lot, layer record.Layer) error {
	if int64(cap(l.buf)) < l.size() {
		l.buf = make([]byte, lotSize)
	}
	l.buf = l.buf[:l.size()]
	n, err := d.in.ReadAt(l.buf, l.from())
	if n < len(l.buf) && !errors.Is(err, io.EOF) {
		return err
	}
	l.buf = l.buf[:n] // a file that was cut since
	page := d.db.Meta().PageSize
	for i := range l.pieces {
		p := &l.pieces[i]
		search := func(from, to int64) error { return d.searchLot(ctx, l, p, from, to, layer) }
		switch {
		case p.run.Kind == bolt.LeafPage && !p.run.Cut:
			leaf, err := d.db.LeafIn(p.run, l.bytes(p.from, p.to))
			if changed(err, layer) {
				err = search(p.from, p.to)
			} else if err == nil {
				err = d.versions(&l.records, leaf, layer, search)
			}
			if err != nil {
				return err
			}
		case p.run.Kind == bolt.LeafPage:
			if err := search(p.from, p.to); err != nil {
				return err
			}
		default:
			for at := p.from; at < p.to; at += page {
				if err := search(at, min(at+page, p.to)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// changed reports whether a page is no leaf any more since it was found: etcd has used it again.
// Its bytes can be searched all the same where nothing is said of the file as a whole.
func changed(err error, layer record.Layer) bool {
	var damage bolt.Damage
	return layer == record.Undetermined && errors.As(err, &damage)
}

// searchLot finds the objects in bytes that belong together.
func (d *databaseSource) searchLot(ctx context.Context, l *lot, p *piece, from, to int64, layer record.Layer) error {
	at, prefix := record.Origin{Layer: layer, File: d.name}, string(d.prefix)
	return d.search.Search(ctx, l, from, to, func(h carve.Hit) error {
		if h.End {
			p.end = true
			return nil
		}
		rec := recordOf(h, l.bytes(h.Offset, min(h.Offset+headOf, to)), at, prefix)
		rec.Key = bytes.Clone(rec.Key) // that of the hit does not last
		l.records = append(l.records, rec)
		return nil
	})
}

// bytes are those of the file from one offset to another, as far as the lot has them.
func (l *lot) bytes(from, to int64) []byte {
	size := int64(len(l.buf))
	return l.buf[min(from-l.from(), size):min(to-l.from(), size)]
}

// ReadAt reads the file where the lot has it.
func (l *lot) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, l.bytes(at, at+int64(len(p))))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
