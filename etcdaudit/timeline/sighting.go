package timeline

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
)

// sighting is one version of a Secret as it was seen in some places.
type sighting struct {
	key, value uint64 // HMACs; no value where the key was deleted
	// revision and create are 0 where the place does not show them, index where it is not in
	// a log.
	revision, create int64
	index            uint64
	version          uint32
	created, changed uint32 // what the object says, see storedvalue.Times
	places           uint32 // of placeSets
	flags            uint32
}

const (
	plain        = 1 << iota // the value is plaintext
	deleted                  // a tombstone
	several                  // the same value was written to the log more than once
	unrecognised             // plaintext in no encoding that is known
)

// sightingSize is the size of a sighting, in memory and in the work file, in bytes.
const sightingSize = 64

// compare orders by what makes sightings one.
func (s *sighting) compare(o *sighting) int {
	return cmp.Or(cmp.Compare(s.key, o.key), cmp.Compare(s.revision, o.revision), cmp.Compare(s.value, o.value))
}

func (s *sighting) is(flag uint32) bool { return s.flags&flag != 0 }

// join takes another sighting of the same version, but for its places.
func (s *sighting) join(o *sighting) {
	if s.index != 0 && o.index != 0 && s.index != o.index {
		s.flags |= several
	}
	if s.index == 0 || o.index != 0 && o.index < s.index {
		s.index = o.index
	}
	s.create, s.version = max(s.create, o.create), max(s.version, o.version)
	s.created, s.changed = max(s.created, o.created), max(s.changed, o.changed)
	s.flags |= o.flags
}

func (s *sighting) encode(b []byte) {
	e := binary.LittleEndian
	for i, x := range []uint64{s.key, s.value, uint64(s.revision), uint64(s.create), s.index} { //nolint:gosec // and back
		e.PutUint64(b[8*i:], x)
	}
	for i, x := range []uint32{s.version, s.created, s.changed, s.places, s.flags} {
		e.PutUint32(b[40+4*i:], x)
	}
}

func (s *sighting) decode(b []byte) {
	e := binary.LittleEndian
	s.key, s.value, s.revision, s.create, s.index = e.Uint64(b), e.Uint64(b[8:]), int64(e.Uint64(b[16:])), int64(e.Uint64(b[24:])), e.Uint64(b[32:]) //nolint:gosec // as encode has it
	s.version, s.created, s.changed, s.places, s.flags = e.Uint32(b[40:]), e.Uint32(b[44:]), e.Uint32(b[48:]), e.Uint32(b[52:]), e.Uint32(b[56:])
}

// unnumbered is how many of a key's sightings have no revision. They are the first ones.
func unnumbered(all []sighting) int {
	if n := slices.IndexFunc(all, func(s sighting) bool { return s.revision > 0 }); n >= 0 {
		return n
	}
	return len(all)
}

// ofOneRevision gives those of each revision, from sightings in order.
func ofOneRevision(all []sighting) iter.Seq[[]sighting] {
	return func(yield func([]sighting) bool) {
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[0].revision > 0 && all[n].revision == all[0].revision {
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// recognise corrects what was taken for plaintext in no known encoding, and is what is left of a
// version that was encrypted. It reports whether there is any plaintext.
func recognise(all []sighting) (readable bool) {
	for version := range ofOneRevision(all) {
		if !slices.ContainsFunc(version, func(s sighting) bool { return !s.is(plain) && !s.is(deleted) }) {
			continue
		}
		for i := range version {
			if version[i].is(unrecognised) {
				version[i].flags &^= plain
			}
		}
	}
	return slices.ContainsFunc(all, func(s sighting) bool { return s.is(plain) })
}

// values is how many values there are in plaintext. What was seen of one revision is one value.
func values(unnumbered, known []sighting) (n int) {
	seen := map[uint64]bool{}
	for _, all := range [][]sighting{known, unnumbered} {
		for version := range ofOneRevision(all) {
			one := 0
			for _, s := range version {
				if s.is(plain) {
					one = 1
				}
			}
			for _, s := range version {
				if seen[s.value] {
					one = 0
				}
				seen[s.value] = seen[s.value] || s.is(plain)
			}
			n += one
		}
	}
	return n
}
