package timeline

import (
	"encoding/binary"
	"slices"
)

// placeSets names sets of places by numbers. There are few different ones: a value outlives its
// replacement in the same places as the one beside it.
type placeSets struct {
	sets  [][]uint16
	ids   map[string]uint32
	bytes int64
}

func newPlaceSets() *placeSets { return &placeSets{ids: map[string]uint32{}} }

// of is the set of one place.
func (p *placeSets) of(place int) uint32 { return p.id([]uint16{uint16(place)}) } //nolint:gosec // see maxPlaces

func (p *placeSets) id(set []uint16) uint32 {
	key := make([]byte, 0, 64)
	for _, place := range set {
		key = binary.LittleEndian.AppendUint16(key, place)
	}
	if id, ok := p.ids[string(key)]; ok {
		return id
	}
	id := uint32(len(p.sets)) //nolint:gosec // memory bounds it
	p.sets = append(p.sets, set)
	p.ids[string(key)] = id
	p.bytes += int64(4*len(set)) + 100
	return id
}

func (p *placeSets) union(a, b uint32) uint32 {
	if a == b {
		return a
	}
	set := slices.Concat(p.sets[a], p.sets[b])
	slices.Sort(set)
	return p.id(slices.Compact(set))
}
