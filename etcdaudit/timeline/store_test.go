package timeline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Whatever part of the sightings is in memory, merged, or in the file, they come back in order, and
// each version once with all its places.
func TestTheStoreGivesBackEachVersionOnce(t *testing.T) {
	const chunk = 1 << 10
	type version struct{ key, value uint64 }
	for name, o := range map[string]struct {
		memory   int64
		versions uint64
		file     bool
	}{
		"in memory": {1 << 40, 1_000, false}, "in a file": {chunk * sightingSize / 2, 2_000, true}, "in both": {4 * chunk * sightingSize, 6_000, true}, "few": {1 << 40, 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := store{chunk: chunk, memory: o.memory, workDir: t.TempDir(), sets: newPlaceSets()}
			defer func() { _ = s.close() }()
			chance := rand.New(rand.NewPCG(1, 2))
			want := map[version]uint8{}
			for range 20_000 {
				place := chance.IntN(3)
				one := sighting{key: chance.Uint64N(o.versions), value: chance.Uint64N(2), revision: 3, places: s.sets.of(place), flags: plain}
				want[version{one.key, one.value}] |= 1 << place
				if err := s.add(one); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.tidy(); err != nil {
				t.Fatal(err)
			}
			if err := s.flush(); err != nil {
				t.Fatal(err)
			}
			if (s.end > 0) != o.file {
				t.Errorf("%d bytes are in the file", s.end)
			}
			if most := int64(len(want)) * 2; s.kept > most+4*chunk {
				t.Errorf("%d sightings are kept of %d versions", s.kept, len(want))
			}
			var last sighting
			n := 0
			if err := s.each(func(one *sighting) error {
				if n > 0 && last.compare(one) >= 0 {
					return fmt.Errorf("%v after %v", one, last)
				}
				last, n = *one, n+1
				var places uint8
				for _, place := range s.sets.sets[one.places] {
					places |= 1 << place
				}
				if places != want[version{one.key, one.value}] || !one.is(plain) || one.revision != 3 {
					return fmt.Errorf("%+v in %b", one, places)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if n != len(want) {
				t.Errorf("%d of %d versions", n, len(want))
			}
		})
	}
}

func TestASightingIsReadAsItWasWritten(t *testing.T) {
	var b [sightingSize]byte
	one := sighting{1<<63 | 1, 2, 1<<62 | 3, 4, 1<<63 | 5, 6, 7, 8, 9, 10}
	one.encode(b[:])
	var got sighting
	if got.decode(b[:]); got != one {
		t.Errorf("%+v, want %+v", got, one)
	}
}

// Each version is in one more place with each file that is read. The sets on the way to that are
// the same for all of them.
func TestSetsOfPlacesAreShared(t *testing.T) {
	const keys, places = 1_000, 300
	s := store{chunk: chunk, memory: 64 << 20, sets: newPlaceSets()}
	defer func() { _ = s.close() }()
	for place := range places {
		for key := range uint64(keys) {
			if err := s.add(sighting{key: key, value: 1, revision: 3, places: s.sets.of(place)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.tidy(); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.sets.sets); n > 2*places {
		t.Errorf("%d sets of places, %d KiB", n, s.sets.bytes>>10)
	}
	n := 0
	if err := s.each(func(one *sighting) error {
		if n++; len(s.sets.sets[one.places]) != places {
			return fmt.Errorf("%d places", len(s.sets.sets[one.places]))
		}
		return nil
	}); err != nil || n != keys {
		t.Errorf("%v, %d keys", err, n)
	}
}

// Where versions have next to nothing in common there is no end to the sets, and the bound holds
// although no sighting is left over.
func TestSetsOfPlacesStayWithinMemory(t *testing.T) {
	const memory = 8 << 20
	s := store{chunk: chunk, memory: memory, workDir: t.TempDir(), sets: newPlaceSets()}
	defer func() { _ = s.close() }()
	chance := rand.New(rand.NewPCG(1, 2))
	var err error
	for range 2_000_000 {
		if err = s.add(sighting{key: chance.Uint64N(2_000), value: 1, revision: 3, places: s.sets.of(chance.IntN(2_000))}); err != nil {
			break
		}
	}
	if tooMuch := new(MemoryError); !errors.As(err, &tooMuch) || s.sets.bytes > memory {
		t.Errorf("%v with %d KiB of sets", err, s.sets.bytes>>10)
	}
}
