package offline

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
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
	from, to int64
	// parts is what it has of the file; none where pieces are known already.
	parts   []bolt.Part
	pieces  []piece
	buf     []byte // the file between from and to
	records []record.Record
	values  []storedvalue.Value // what those of the records are
}

// piece is a run of pages, or a part of one whose pages do not belong together.
type piece struct {
	run      bolt.Run
	from, to int64
	// end is set where an object ends in it that begins elsewhere.
	end bool
}

func (l *lot) size() int64 { return l.to - l.from }

// lots puts everything that can hold values, in the order of the file.
func (d *databaseSource) lots(ctx context.Context, reach *bolt.Reach, fresh func() *lot, put func(*lot) error) error {
	l := fresh()
	flush := func() (err error) {
		if l.size() > 0 {
			err, l = put(l), fresh()
		}
		return err
	}
	err := d.db.Parts(ctx, reach, lotSize, func(p bolt.Part) error {
		end := p.Offset + p.Length
		if l.size() > 0 && (p.Long != nil || end-l.from > lotSize || p.Offset-l.to > lotGap) {
			if err := flush(); err != nil {
				return err
			}
		}
		if p.Long == nil {
			if l.size() == 0 {
				l.from = p.Offset
			}
			l.to, l.parts = end, append(l.parts, p)
			return nil
		}
		for _, one := range pieces(nil, *p.Long) {
			l.from, l.to, l.pieces = one.from, one.to, append(l.pieces, one)
			if err := flush(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// pieces adds the pieces of a run. One that is no leaf by its header may have been one all the
// same: damage can have changed that.
func pieces(all []piece, run bolt.Run) []piece {
	end, step := run.Offset+run.Length, run.Length
	if run.Kind != bolt.LeafPage {
		step = lotSize // whole pages: a page has at most 64 KiB
	}
	for at := run.Offset; at < end; at += step {
		all = append(all, piece{run: run, from: at, to: min(at+step, end)})
	}
	return all
}

// readLot finds the records of a lot. They are views of its buffer.
func (d *databaseSource) readLot(ctx context.Context, reach *bolt.Reach, l *lot, layer record.Layer) error {
	if int64(cap(l.buf)) < l.size() {
		l.buf = make([]byte, lotSize)
	}
	l.buf = l.buf[:l.size()]
	n, err := d.in.ReadAt(l.buf, l.from)
	if n < len(l.buf) && !errors.Is(err, io.EOF) {
		return err
	}
	l.buf = l.buf[:n] // a file that was cut since
	for _, p := range l.parts {
		if err := d.db.RestIn(ctx, reach, p, l.bytes(p.Offset, p.Offset+p.Length), func(run bolt.Run) error {
			l.pieces = pieces(l.pieces, run)
			return nil
		}); err != nil {
			return err
		}
	}
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
	l.values = parse(l.records, l.values)
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
		rec := recordOf(h, l.bytes(h.Offset, endOfHead(h, to)), at, prefix)
		rec.Key = bytes.Clone(rec.Key) // that of the hit does not last
		l.records = append(l.records, rec)
		return nil
	})
}

// bytes are those of the file from one offset to another, as far as the lot has them.
func (l *lot) bytes(from, to int64) []byte {
	size := int64(len(l.buf))
	return l.buf[min(from-l.from, size):min(to-l.from, size)]
}

// ReadAt reads the file where the lot has it.
func (l *lot) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, l.bytes(at, at+int64(len(p))))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
