package kmsplugin

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/sealproof/sealproof/kmsplugin/seal"
)

// Bounds of what is kept once the key store has opened it. Seeds are few in
// practice, one per API server start and rotation since the last rewrite, so the
// bound only has to hold against abuse: 10,000 seeds are about 3 MiB.
const (
	maxSeeds = 10_000
	maxKEKs  = 1_000
)

// opened remembers what the key store has opened on request: seeds that it had
// wrapped itself, and local KEKs that this replica could not derive. Without it
// every restart of an API server in an outage would lose them.
type opened struct {
	mu    sync.Mutex
	seeds *simplelru.LRU[openedName, openedSeed]
	keks  *simplelru.LRU[openedName, openedKEK]
}

// openedName stands for a ciphertext, its binding and its form.
type openedName [sha256.Size]byte

type openedSeed struct {
	held
	seed []byte
}

type openedKEK struct {
	held
	kek *seal.LocalKEK
}

// held is under which version, and since when, something may be used.
type held struct {
	keyID string        // of the key version that opened it; empty if it is not listed
	at    time.Duration // on the boot clock, before the key store was asked
}

func newOpened() *opened {
	// NewLRU fails only for a size that is not positive. Seeds are overwritten
	// when they leave.
	seeds, _ := simplelru.NewLRU(maxSeeds, func(_ openedName, s openedSeed) { clear(s.seed) })
	keks, _ := simplelru.NewLRU[openedName, openedKEK](maxKEKs, nil)
	return &opened{seeds: seeds, keks: keks}
}

func nameOf(s seal.Sealed) openedName {
	h := sha256.New()
	var size [4]byte
	for _, field := range []string{s.Form.String(), s.Binding.Cluster, s.Binding.KeyID, string(s.Wrapped)} {
		binary.BigEndian.PutUint32(size[:], uint32(len(field))) //nolint:gosec // Parse bounds every field
		h.Write(size[:])
		h.Write([]byte(field))
	}
	return openedName(h.Sum(nil))
}

// seed returns a copy of the seed inside s, if it was opened before and current
// says that it may still be used.
func (o *opened) seed(s seal.Sealed, current func(held) bool) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.seeds.Get(nameOf(s))
	if !ok || !current(e.held) {
		return nil, false
	}
	return append([]byte(nil), e.seed...), true
}

// kek returns the local KEK inside s on the same terms.
func (o *opened) kek(s seal.Sealed, current func(held) bool) (*seal.LocalKEK, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.keks.Get(nameOf(s))
	if !ok || !current(e.held) {
		return nil, false
	}
	return e.kek, true
}

// addSeed keeps a copy of seed.
func (o *opened) addSeed(s seal.Sealed, h held, seed []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seeds.Add(nameOf(s), openedSeed{held: h, seed: append([]byte(nil), seed...)})
}

func (o *opened) addKEK(s seal.Sealed, h held, kek *seal.LocalKEK) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keks.Add(nameOf(s), openedKEK{held: h, kek: kek})
}

// drop forgets everything opened under the versions that are gone.
func (o *opened) drop(gone func(keyID string) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range o.seeds.Keys() {
		if e, ok := o.seeds.Peek(name); ok && gone(e.keyID) {
			o.seeds.Remove(name)
		}
	}
	for _, name := range o.keks.Keys() {
		if e, ok := o.keks.Peek(name); ok && gone(e.keyID) {
			o.keks.Remove(name)
		}
	}
}

// len returns how many seeds and local KEKs are kept.
func (o *opened) len() (seeds, keks int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seeds.Len(), o.keks.Len()
}
