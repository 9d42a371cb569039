package offline

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/wal"
)

// puts are what entries of a log write, copied: the segment is read on while they are used.
type puts struct {
	buf     []byte
	records []record.Record
	values  []storedvalue.Value // what those of the records are
	// used is closed once a large value, which is not copied, is not needed any more; nil for
	// others.
	used chan struct{}
}

func (p *puts) copy(b []byte) []byte {
	start := len(p.buf)
	p.buf = append(p.buf, b...)
	return p.buf[start:len(p.buf):len(p.buf)]
}

// entries reads a segment and gives every put under the prefix to add. It returns how many there
// are of other keys.
func (l *logSource) entries(ctx context.Context, name string, in io.ReaderAt, size int64, add func([]record.Record) error) (sum wal.Summary, outside int64, err error) {
	var spare sync.Pool
	fresh := func() *puts {
		if p, ok := spare.Get().(*puts); ok {
			p.buf, p.records = p.buf[:0], p.records[:0]
			return p
		}
		return &puts{buf: make([]byte, 0, lotSize)}
	}
	err = inOrder(ctx,
		func(ctx context.Context, put func(*puts) error) error {
			all := fresh()
			flush := func() (err error) {
				if len(all.records) > 0 {
					err, all = put(all), fresh()
				}
				return err
			}
			sum, err = wal.Read(ctx, in, size, func(p wal.Put) error {
				if !bytes.HasPrefix(p.Key, l.prefix) {
					outside++
					return nil
				}
				rec := record.Record{
					Key: p.Key, Value: p.Value, Lease: p.Lease,
					Origin: record.Origin{Layer: record.WAL, File: name, Offset: p.Offset, Index: p.Index, Term: p.Term},
				}
				length := len(p.Key) + len(p.Value)
				if len(all.buf)+length > lotSize {
					if err := flush(); err != nil {
						return err
					}
				}
				if length <= lotSize {
					rec.Key, rec.Value = all.copy(p.Key), all.copy(p.Value)
					all.records = append(all.records, rec)
					return nil
				}
				large := &puts{records: []record.Record{rec}, used: make(chan struct{})}
				if err := put(large); err != nil {
					return err
				}
				select {
				case <-large.used:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			if flushed := flush(); err == nil {
				err = flushed
			}
			return err
		},
		func(_ context.Context, p *puts) error {
			p.values = parse(p.records, p.values)
			return nil
		},
		func(p *puts) error {
			err := add(p.records)
			if p.used != nil {
				close(p.used)
			} else {
				spare.Put(p)
			}
			return err
		})
	return sum, outside, err
}
