package keyusage

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// fingerprint stands for a DEK source with all that an API server keeps an unwrapped one by: type,
// source, key_id and annotations. Two seeds make it of 128 bits: with millions of sources, equal
// ones by chance are less likely than a fault of the machine.
type fingerprint [2]uint64

// deks tells DEK sources apart.
type deks struct {
	seeds    [2]maphash.Seed
	index    map[fingerprint]uint32
	all      []dek
	last     fingerprint // of the value that was looked for
	overflow bool
	buf      []byte
	recent   [recents]recent
	next     int // of recent, to be overwritten
}

// recents is how many DEK sources are found by comparing bytes, which is several times faster than
// hashing them: most values have the source of the one before, with annotations in one of a few
// orders.
const recents = 4

// recent is a DEK source as a value had it.
type recent struct {
	name, behind []byte
	index        uint32
}

func (d *deks) recently(v *storedvalue.Value, behind []byte) (uint32, bool) {
	for i := range d.recent {
		if r := &d.recent[i]; len(behind) > 0 && bytes.Equal(r.behind, behind) && bytes.Equal(r.name, v.Name) {
			return r.index, true
		}
	}
	return 0, false
}

func (d *deks) remember(v *storedvalue.Value, behind []byte, index uint32) {
	r := &d.recent[d.next]
	d.next = (d.next + 1) % recents
	r.name, r.behind, r.index = append(r.name[:0], v.Name...), append(r.behind[:0], behind...), index
}

// dek is one DEK source.
type dek struct {
	key uint32
	// here is how many values of the present reading are under it, by layer, and elsewhere is set
	// where there are some in an earlier one.
	here      [maxLayers]uint32
	elsewhere bool
}

func newDEKs() deks {
	return deks{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, index: map[fingerprint]uint32{}}
}

// find returns the DEK source of a value, if it is known. It is good until the next call.
func (d *deks) find(v *storedvalue.Value) (*dek, bool) {
	behind := v.BehindData()
	if i, ok := d.recently(v, behind); ok {
		return &d.all[i], true
	}
	d.last = d.fingerprint(v)
	i, ok := d.index[d.last]
	if !ok {
		return nil, false
	}
	d.remember(v, behind, i)
	return &d.all[i], true
}

// add makes the one known that was not found, under a key; nil where there is no more room.
func (d *deks) add(key uint32) *dek {
	if len(d.all) == maxDEKs {
		d.overflow = true
		return nil
	}
	d.index[d.last] = uint32(len(d.all)) //nolint:gosec // at most maxDEKs
	d.all = append(d.all, dek{key: key})
	return &d.all[len(d.all)-1]
}

func (d *deks) fingerprint(v *storedvalue.Value) (id fingerprint) {
	d.buf = append(d.buf[:0], byte(v.Format), byte(v.DEKSourceType&0xff))
	for _, field := range [][]byte{v.Name, v.KeyID, v.DEKSource} {
		d.buf = append(binary.AppendUvarint(d.buf, uint64(len(field))), field...)
	}
	for i, seed := range d.seeds {
		id[i] = maphash.Bytes(seed, d.buf)
	}
	// An API server writes annotations in any order.
	for name, value := range v.Annotations() {
		d.buf = append(binary.AppendUvarint(d.buf[:0], uint64(len(name))), name...)
		d.buf = append(d.buf, value...)
		for i, seed := range d.seeds {
			id[i] += maphash.Bytes(seed, d.buf)
		}
	}
	return id
}

// keep ends a reading. It tells of each DEK source in each layer how many values are under it.
func (d *deks) keep(layers int, tell func(key uint32, layer int, values int64)) {
	for i := range d.all {
		one := &d.all[i]
		for layer, values := range one.here[:layers] {
			if values > 0 {
				one.elsewhere = true
				tell(one.key, layer, int64(values))
			}
		}
		clear(one.here[:])
	}
}

// drop forgets what the reading has counted.
func (d *deks) drop() {
	for i := range d.all {
		clear(d.all[i].here[:])
	}
}

// distinct is how many DEK sources each of the keys has.
func (d *deks) distinct(keys int) []int64 {
	n := make([]int64, keys)
	for i := range d.all {
		if d.all[i].elsewhere {
			n[d.all[i].key]++
		}
	}
	return n
}
