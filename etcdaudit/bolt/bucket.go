package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
)

// bucketSize is what the value of a bucket begins with: root page and sequence (u64
// each). Where the root is 0 the bucket's one leaf page follows it, inline.
const bucketSize = 16

// nameBudget bounds the bytes of bucket names that are kept, each with nameCost.
const (
	nameBudget = 1 << 20
	nameCost   = 64
)

// Bucket is a bucket within the root bucket.
type Bucket struct {
	Name []byte
	// Root is the page that its tree starts at; 0 for an inline bucket.
	Root int64
	// Sequence is the counter that bbolt keeps for the bucket.
	Sequence uint64

	// at is the offset in the file of the bucket's value, and inline the length of the
	// page in it.
	at, inline int64
}

// parseBucket reads the value of an element that is a bucket.
func parseBucket(value []byte, offset int64, damages *Damages) (Bucket, bool) {
	if len(value) < bucketSize {
		damages.add(offset, "a bucket has only %d bytes", len(value))
		return Bucket{}, false
	}
	b := Bucket{Root: pageNumber(value), Sequence: binary.LittleEndian.Uint64(value[8:]), at: offset}
	if b.Root == 0 {
		b.inline = int64(len(value) - bucketSize)
	}
	return b, true
}

// inlineLeaf reads the page within the value of an inline bucket.
func inlineLeaf(b []byte, offset int64, damages *Damages) (Leaf, bool) {
	if len(b) < headerSize {
		damages.add(offset, "an inline bucket has no page")
		return Leaf{}, false
	}
	h := parseHeader(b)
	if h.flags != flagLeaf {
		damages.add(offset, "the page of an inline bucket is not a leaf: flags %#x", h.flags)
		return Leaf{}, false
	}
	whole := int64(len(b))
	e, _ := readElements(h, whole, func(n int64) ([]byte, error) { return b[:n], nil }) // bytes in memory
	if e.n != int(h.count) {
		damages.add(offset, "an inline bucket says that it has %d elements, but they are %d", h.count, e.n)
	}
	e.b = b
	s := e.survey()
	if !s.joined || s.end > whole {
		damages.add(offset, "elements of an inline bucket contradict each other or its length")
	}
	if s.buckets {
		damages.add(offset, "an inline bucket says that it contains buckets")
	}
	return newLeaf(0, offset, e, s), true
}

// Buckets returns the buckets within the root bucket, inline ones too, in the order of
// their names. Buckets within these are not listed. Names of more than 1 MiB altogether
// are damage.
func (f *File) Buckets(ctx context.Context) ([]Bucket, Damages, error) {
	var (
		buckets []Bucket
		w       = f.newWalk()
		budget  = nameBudget
	)
	w.leaf = func(l Leaf) error {
		for i := range l.Len() {
			if !l.IsBucket(i) {
				continue
			}
			name, value, offset, err := l.Element(i)
			if err != nil {
				continue // which is damage of the leaf already
			}
			b, ok := parseBucket(value, offset, &w.damages)
			if !ok {
				continue
			}
			if budget -= len(name) + nameCost; budget < 0 {
				w.damages.add(offset, "too many buckets, or too long names: this one and those after it are left out")
				return nil
			}
			b.Name = bytes.Clone(name)
			buckets = append(buckets, b)
		}
		return nil
	}
	err := w.tree(ctx, f.offset(f.meta.Page), f.meta.Root)
	return buckets, w.damages, err
}

// Leaves gives the leaves of a bucket to each, in the order of their keys as the tree has
// it, or in the opposite one; the elements within a leaf always have ascending keys. In a
// damaged tree keys may be out of order. Leaves are read ahead while each is busy. An error of
// each ends the walk and is returned as it is.
func (f *File) Leaves(ctx context.Context, b Bucket, backwards bool, each func(Leaf) error) (Damages, error) {
	w := f.newWalk()
	err := w.bucket(ctx, b, backwards, func(leaves []Leaf, done func()) error {
		defer done()
		for _, l := range leaves {
			if err := each(l); err != nil {
				return err
			}
		}
		return nil
	})
	return w.damages, err
}

func (w *walk) bucket(ctx context.Context, b Bucket, backwards bool, each func([]Leaf, func()) error) error {
	if b.Root != 0 {
		w.backwards = backwards
		err := readAhead(ctx, w, each, func() error { return w.tree(ctx, b.at, b.Root) })
		w.backwards = false
		return err
	}
	page, err := w.far.view(b.at+bucketSize, min(b.inline, maxRun))
	if err != nil {
		return err
	}
	w.far = window{r: w.r, size: w.size} // the leaf may be used while the walk goes on
	if l, ok := inlineLeaf(page, b.at+bucketSize, &w.damages); ok {
		err = each([]Leaf{l}, func() {})
	}
	return err
}
