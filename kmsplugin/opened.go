package kmsplugin

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
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
	// raw says that the bytes of local KEKs are to be kept too, and changed is
	// told whenever there is more or less to keep.
	raw     bool
	changed func()

	mu    sync.Mutex
	seeds *simplelru.LRU[openedName, openedSeed]
	keks  *simplelru.LRU[openedName, openedKEK]
	edits uint64
}

// openedName stands for a ciphertext, its binding and its form.
type openedName [sha256.Size]byte

type openedSeed struct {
	held
	seed []byte
}

type openedKEK struct {
	held
	kek *envelope.LocalKEK
	key []byte // only if opened.raw
}

// held is under which version, and since when, something may be used.
type held struct {
	source *source       // the key that opened it
	keyID  string        // of the key version that opened it; empty if it is not listed
	at     time.Duration // on the boot clock, before the key store was asked
}

func newOpened(raw bool) *opened {
	// NewLRU fails only for a size that is not positive. Seeds are overwritten
	// when they leave.
	seeds, _ := simplelru.NewLRU(maxSeeds, func(_ openedName, s openedSeed) { clear(s.seed) })
	keks, _ := simplelru.NewLRU(maxKEKs, func(_ openedName, k openedKEK) { clear(k.key) })
	return &opened{raw: raw, changed: func() {}, seeds: seeds, keks: keks}
}

func nameOf(s envelope.Stored) openedName {
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
func (o *opened) seed(s envelope.Stored, current func(held) bool) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.seeds.Get(nameOf(s))
	if !ok || !current(e.held) {
		return nil, false
	}
	return bytes.Clone(e.seed), true
}

// kek returns the local KEK inside s on the same terms.
func (o *opened) kek(s envelope.Stored, current func(held) bool) (*envelope.LocalKEK, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.keks.Get(nameOf(s))
	if !ok || !current(e.held) {
		return nil, false
	}
	return e.kek, true
}

// addSeed keeps a copy of seed.
func (o *opened) addSeed(s envelope.Stored, h held, seed []byte) {
	o.edit(func() { replace(o.seeds, nameOf(s), openedSeed{held: h, seed: bytes.Clone(seed)}) })
}

// addKEK keeps kek, and where wanted a copy of its bytes.
func (o *opened) addKEK(s envelope.Stored, h held, kek *envelope.LocalKEK, key []byte) {
	e := openedKEK{held: h, kek: kek}
	if o.raw {
		e.key = bytes.Clone(key)
	}
	o.edit(func() { replace(o.keks, nameOf(s), e) })
}

// replace adds an entry. What had its name leaves as everything else does, and is
// overwritten: Add alone would only let go of it.
func replace[E any](list *simplelru.LRU[openedName, E], name openedName, e E) {
	list.Remove(name)
	list.Add(name, e)
}

// drop forgets and overwrites everything of which gone says so.
func (o *opened) drop(gone func(held) bool) {
	dropped := 0
	o.mu.Lock()
	for _, name := range o.seeds.Keys() {
		if e, ok := o.seeds.Peek(name); ok && gone(e.held) && o.seeds.Remove(name) {
			dropped++
		}
	}
	for _, name := range o.keks.Keys() {
		if e, ok := o.keks.Peek(name); ok && gone(e.held) && o.keks.Remove(name) {
			dropped++
		}
	}
	o.edits += uint64(dropped)
	o.mu.Unlock()
	if dropped > 0 {
		o.changed()
	}
}

// keyIDs returns the versions, by key_id, under which something of a source is held,
// and since when the oldest of it, on the boot clock.
func (o *opened) keyIDs(src *source) map[string]time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	since := map[string]time.Duration{}
	add := func(h held) {
		if at, ok := since[h.keyID]; h.source == src && (!ok || h.at < at) {
			since[h.keyID] = h.at
		}
	}
	for _, e := range o.seeds.Values() {
		add(e.held)
	}
	for _, e := range o.keks.Values() {
		add(e.held)
	}
	return since
}

func (o *opened) edit(change func()) {
	o.mu.Lock()
	change()
	o.edits++
	o.mu.Unlock()
	o.changed()
}

// generation is another number after every edit.
func (o *opened) generation() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.edits
}

// kept returns copies of everything that is to outlive the process. Keys are
// named by their index in sources.
func (o *opened) kept(sources []*source) (keks, seeds []keptOpened) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range o.keks.Keys() { // the oldest first, as restore wants them
		if e, ok := o.keks.Peek(name); ok {
			keks = append(keks, e.keep(sources, name, e.key))
		}
	}
	for _, name := range o.seeds.Keys() {
		if e, ok := o.seeds.Peek(name); ok {
			seeds = append(seeds, e.keep(sources, name, e.seed))
		}
	}
	return keks, seeds
}

func (h held) keep(sources []*source, name openedName, secret []byte) keptOpened {
	return keptOpened{Name: bytes.Clone(name[:]), Source: slices.Index(sources, h.source), KeyID: h.keyID, At: h.at, Secret: bytes.Clone(secret)}
}

// restore takes over what was kept. owners says which key each index in it stands
// for now. What no key answers for any more is left out: there would be nobody to
// drop it once it is refused or its lease has ended.
func (o *opened) restore(keks, seeds []keptOpened, owners []*source) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range slices.Concat(keks, seeds) {
		if len(e.Name) != len(openedName{}) || e.Source < 0 || e.Source >= len(owners) {
			return fmt.Errorf("%w: an entry in it has a name of %d bytes and is of key %d of %d", errNotKept, len(e.Name), e.Source, len(owners))
		}
	}
	for _, e := range keks {
		if owners[e.Source] == nil {
			continue
		}
		kek, err := envelope.NewLocalKEK(e.Secret)
		if err != nil {
			return fmt.Errorf("restore an opened local KEK: %w", err)
		}
		o.keks.Add(openedName(e.Name), openedKEK{held: held{owners[e.Source], e.KeyID, e.At}, kek: kek, key: bytes.Clone(e.Secret)})
	}
	for _, e := range seeds {
		if owners[e.Source] == nil {
			continue
		}
		o.seeds.Add(openedName(e.Name), openedSeed{held: held{owners[e.Source], e.KeyID, e.At}, seed: bytes.Clone(e.Secret)})
	}
	return nil
}

// len returns how many seeds and local KEKs are kept.
func (o *opened) len() (seeds, keks int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seeds.Len(), o.keks.Len()
}
