package timeline

import (
	"cmp"
	"encoding/binary"
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
	plain   = 1 << iota // the value is plaintext
	deleted             // a tombstone
	several             // the same value was written to the log more than once
)

// sightingSize is the size of a sighting, in memory and in the work file, in bytes.
const sightingSize = 64

// compare orders by what makes sightings one.
func (s *sighting) compare(o *sighting) int {
	return cmp.Or(cmp.Compare(s.key, o.key), cmp.Compare(s.revision, o.revision), cmp.Compare(s.value, o.value))
}

func (s *sighting) is(flag uint32) bool { return s.flags&flag != 0 }

// join takes another sighting of the same version.
func (s *sighting) join(o *sighting, sets *placeSets) {
	if s.index != 0 && o.index != 0 && s.index != o.index {
		s.flags |= several
	}
	if s.index == 0 || o.index != 0 && o.index < s.index {
		s.index = o.index
	}
	s.create, s.version = max(s.create, o.create), max(s.version, o.version)
	s.created, s.changed = max(s.created, o.created), max(s.changed, o.changed)
	s.flags |= o.flags
	s.places = sets.union(s.places, o.places)
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
