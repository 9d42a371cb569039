package mvcc

import "hash/maphash"

// Seen is a set of keys that keeps none of them, but 8 bytes of a hash of each under a key of
// this run: 11 to 22 bytes for a key. Two of a million keys have one hash with a probability of
// 1 in 37 million; the older of them is then taken for a version of the other. The zero value
// is not usable; see NewSeen.
type Seen struct {
	seed   maphash.Seed
	shards [shards]table
	keys   int
}

// One table that doubles would hold half as much again while it grows. Of many, one grows at
// a time.
const shards = 64

// table is an open-addressed set of hashes. 0 is an empty place, and its length a power of two.
type table struct {
	hashes []uint64
	used   int
}

// NewSeen returns an empty set.
func NewSeen() *Seen { return &Seen{seed: maphash.MakeSeed()} }

// Sum is what stands for a key; never 0. It may be called by several goroutines.
func (s *Seen) Sum(key []byte) uint64 { return max(1, maphash.Bytes(s.seed, key)) }

// Add adds keys by their sums, in their order, and clears the sums of those that are not new. Many
// at once take less time: each is elsewhere in memory, and where all are looked for before
// anything depends on one, the processor fetches several together.
func (s *Seen) Add(sums []uint64) {
	for i, h := range sums {
		if s.shards[h%shards].has(h) {
			sums[i] = 0
		}
	}
	for i, h := range sums {
		switch {
		case h == 0:
		case s.shards[h%shards].add(h):
			s.keys++
		default:
			sums[i] = 0 // one before it in sums is of the same key
		}
	}
}

// Len is how many keys were added.
func (s *Seen) Len() int { return s.keys }

// Bytes is what the set takes of memory.
func (s *Seen) Bytes() (n int64) {
	for i := range s.shards {
		n += int64(len(s.shards[i].hashes)) * 8
	}
	return n
}

// has reports whether a hash stands where it belongs; of one that others have pushed aside it may
// not know.
func (t *table) has(h uint64) bool {
	if len(t.hashes) == 0 {
		return false
	}
	return t.hashes[h/shards&uint64(len(t.hashes)-1)] == h //nolint:gosec // not empty
}

func (t *table) add(h uint64) bool {
	if 4*(t.used+1) > 3*len(t.hashes) {
		t.grow()
	}
	at := t.place(h)
	if t.hashes[at] == h {
		return false
	}
	t.hashes[at] = h
	t.used++
	return true
}

// place is where a hash stands or belongs.
func (t *table) place(h uint64) uint64 {
	mask := uint64(len(t.hashes) - 1) //nolint:gosec // never empty here
	at := h / shards & mask
	for t.hashes[at] != 0 && t.hashes[at] != h {
		at = (at + 1) & mask
	}
	return at
}

func (t *table) grow() {
	old := t.hashes
	t.hashes = make([]uint64, max(64, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			t.hashes[t.place(h)] = h
		}
	}
}
