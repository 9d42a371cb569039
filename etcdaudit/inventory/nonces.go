package inventory

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Bounds on what is kept of nonces. One takes 24 bytes, in slices that grow by a quarter: 30
// bytes for a value at most, 126 MiB in all.
const (
	maxNonces    = 4 << 20
	maxNonceKeys = maxGroups
	maxRepeats   = 10 // that are listed for one key
)

// nonceShards are sorted and grow one by one, so that what is copied meanwhile is small. A
// nonce's first byte chooses one of them.
const nonceShards = 256

// gcmTail is how much is kept of the tag at the end of an aesgcm ciphertext, in bytes. The nonce is
// its first 12 (pkg/storage/value/encrypt/aes/aes.go).
const gcmTail = 4

// nonces are those of live aesgcm values, which an API server chooses at random. Their zero
// value is ready. They are part of the ciphertext, and no secret.
type nonces struct {
	keys   map[nonceKey]uint16
	shards [][]nonce
	n      int
	full   bool // there are more than are kept
	found  []Repeat
	ended  bool
}

// nonceKey is a key as a value names it. Unless the configuration confirms the name, it may go
// on where the nonce seems to begin: it may contain colons.
type nonceKey struct {
	name      string
	confirmed bool
}

// nonce is one of them as numbers, which are compared faster than bytes.
type nonce struct {
	head  uint64 // its first 8 bytes
	tail  uint64 // its last 4, and the end of the tag: that is the same where a ciphertext was copied
	place uint64 // the revision in the upper 48 bits, and the key
}

// Repeat is what is known of a key of which a nonce occurs more than once.
type Repeat struct {
	// Key is the name of the key.
	Key string
	// Nonces occur in several ciphertexts each, in Values together.
	Nonces, Values int64
	// Revisions are mod_revisions of the first of these values.
	Revisions []int64
	// Doubtful is set where these bytes may be the end of a name with a colon in it, which
	// only an EncryptionConfiguration shows.
	Doubtful bool
}

func (s *nonces) add(v *storedvalue.Value, d drift.Drift, rec record.Record) {
	confirmed := d != drift.Unjudged && d != drift.UnreadableName
	at, ok := s.keys[nonceKey{string(v.Name), confirmed}] // does not copy the name
	if !ok {
		if len(s.keys) >= maxNonceKeys {
			s.full = true
			return
		}
		if s.keys == nil {
			s.keys, s.shards = map[nonceKey]uint16{}, make([][]nonce, nonceShards)
		}
		at = uint16(len(s.keys)) //nolint:gosec // below maxNonceKeys
		s.keys[nonceKey{string(v.Name), confirmed}] = at
	}
	c, n := v.Ciphertext, len(v.Ciphertext)
	one := nonce{
		head:  binary.BigEndian.Uint64(c),
		tail:  uint64(binary.BigEndian.Uint32(c[8:]))<<32 | uint64(binary.BigEndian.Uint32(c[n-gcmTail:])),
		place: uint64(rec.ModRevision)<<16 | uint64(at), //nolint:gosec // never below zero
	}
	shard := &s.shards[c[0]]
	if rec.Retracted {
		if i := slices.Index(*shard, one); i >= 0 {
			*shard = slices.Delete(*shard, i, i+1)
			s.n--
		}
		return
	}
	if s.n >= maxNonces {
		s.full = true
		return
	}
	*shard = append(*shard, one)
	s.n++
}

func (n nonce) key() uint16 { return uint16(n.place) } //nolint:gosec // the lower 16 bits

// same reports whether two are of one key and nonce.
func (n nonce) same(o nonce) bool {
	return n.head == o.head && n.tail>>32 == o.tail>>32 && n.key() == o.key()
}

// bytes are the nonce as it stands in the value.
func (n nonce) bytes() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, n.head), uint32(n.tail>>32))
}

// compareNonces puts those of one key and nonce together, by the ends of their tags.
func compareNonces(a, b nonce) int {
	if a.head != b.head { // nearly always
		return cmp.Compare(a.head, b.head)
	}
	return cmp.Or(cmp.Compare(a.tail>>32, b.tail>>32), cmp.Compare(a.key(), b.key()), cmp.Compare(a.tail, b.tail), cmp.Compare(a.place, b.place))
}

// end finds what is repeated, and gives the memory back.
func (s *nonces) end() {
	names := make([]nonceKey, len(s.keys))
	for key, at := range s.keys {
		names[at] = key
	}
	type named struct {
		key      string
		doubtful bool
	}
	found := map[named]*Repeat{}
	for i, shard := range s.shards {
		slices.SortFunc(shard, compareNonces)
		for same := range runs(shard) {
			// A ciphertext under two etcd keys was copied, and not encrypted twice.
			if same[0].tail == same[len(same)-1].tail {
				continue
			}
			key := names[same[0].key()]
			as := named{key.name, !key.confirmed && mayEndName(same[0].bytes())}
			if found[as] == nil {
				found[as] = &Repeat{Key: as.key, Doubtful: as.doubtful}
			}
			found[as].add(same)
		}
		s.shards[i] = nil
	}
	for _, r := range found {
		s.found = append(s.found, *r)
	}
	slices.SortFunc(s.found, func(a, b Repeat) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), number(a.Doubtful)-number(b.Doubtful))
	})
	s.keys, s.shards, s.ended = nil, nil, true
}

// runs yields the stretches of one key and nonce.
func runs(sorted []nonce) iter.Seq[[]nonce] {
	return func(yield func([]nonce) bool) {
		for len(sorted) > 0 {
			n := 1
			for n < len(sorted) && sorted[n].same(sorted[0]) {
				n++
			}
			if !yield(sorted[:n]) {
				return
			}
			sorted = sorted[n:]
		}
	}
}

func (r *Repeat) add(same []nonce) {
	r.Nonces++
	r.Values += int64(len(same))
	for _, one := range same[:min(len(same), maxRepeats-len(r.Revisions))] {
		r.Revisions = append(r.Revisions, int64(one.place>>16))
	}
}

// mayEndName reports whether bytes can be in a name, up to a colon that ends it.
func mayEndName(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == ':':
			return true
		case r == utf8.RuneError && n == 1 && utf8.FullRune(b), r < ' ', r == 0x7f:
			return false
		}
		b = b[n:]
	}
	return true
}

// Settle says that everything is added, and gives back what is only of use until then.
func (inv *Inventory) Settle() {
	if !inv.nonces.ended {
		inv.nonces.end()
	}
}

// Repeats returns the keys of aesgcm of which a nonce is in several live values, in the order of
// their names, and whether all nonces were compared. It settles the inventory.
func (inv *Inventory) Repeats() (all []Repeat, whole bool) {
	inv.Settle()
	return inv.nonces.found, !inv.nonces.full
}
