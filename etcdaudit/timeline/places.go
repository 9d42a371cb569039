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

// union is the set of all places of some sets, whose order is lost. It makes no other set on its
// way: each would stay.
func (p *placeSets) union(sets []uint32) uint32 {
	slices.Sort(sets)
	if sets = slices.Compact(sets); len(sets) == 1 {
		return sets[0]
	}
	var all []uint16
	for _, set := range sets {
		all = append(all, p.sets[set]...)
	}
	slices.Sort(all)
	return p.id(slices.Clone(slices.Compact(all)))
}
