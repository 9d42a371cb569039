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

	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Bounds of the unwrap cache. Seeds are few in practice, one for each API server start
// and rotation since the last rewrite, so the bound only has to hold against abuse:
// 10,000 seeds are about 3 MiB.
const (
	maxSeeds = 10_000
	maxKEKs  = 1_000
)

// unwrapCache holds what the key stores have unwrapped on request: seeds that a key
// store had wrapped itself, and local KEKs that this replica could not derive. Without
// it every restart of an API server in an outage would lose them.
type unwrapCache struct {
	// retain is whether the bytes of local KEKs are held too, for a checkpoint, and
	// changed is told whenever there is more or less to save.
	retain  bool
	changed func()

	mu    sync.Mutex
	seeds *unwrappedList
	keks  *unwrappedList
	edits uint64
}

type unwrappedList = simplelru.LRU[cacheKey, unwrapped]

// cacheKey stands for a ciphertext, its binding and its form.
type cacheKey [sha256.Size]byte

// unwrapped is one seed or local KEK.
type unwrapped struct {
	origin
	secret []byte             // of a local KEK only if unwrapCache.retain
	kek    *envelope.LocalKEK // nil for a seed
}

// origin is which key unwrapped something, and since when it may be used.
type origin struct {
	source *source       // the key
	keyID  string        // the version of the key; empty if it is not listed
	at     time.Duration // on the boot clock, before the key store was asked
}

func newUnwrapCache(retain bool) *unwrapCache {
	list := func(size int) *unwrappedList {
		// NewLRU fails only for a size that is not positive.
		l, _ := simplelru.NewLRU(size, func(_ cacheKey, u unwrapped) { clear(u.secret) })
		return l
	}
	return &unwrapCache{retain: retain, changed: func() {}, seeds: list(maxSeeds), keks: list(maxKEKs)}
}

func cacheKeyOf(s envelope.Stored) cacheKey {
	h := sha256.New()
	var size [4]byte
	for _, field := range []string{s.Form.String(), s.Binding.Cluster, s.Binding.KeyID, string(s.Wrapped)} {
		binary.BigEndian.PutUint32(size[:], uint32(len(field))) //nolint:gosec // Parse bounds every field
		h.Write(size[:])
		h.Write([]byte(field))
	}
	return cacheKey(h.Sum(nil))
}

// seed returns a copy of the seed inside s, if it was unwrapped before and usable says
// that it may still be used.
func (c *unwrapCache) seed(s envelope.Stored, usable func(origin) bool) ([]byte, bool) {
	u, ok := c.get(c.seeds, s, usable)
	return u.secret, ok
}

// kek returns the local KEK that wrapped s on the same terms; nil if there is none.
func (c *unwrapCache) kek(s envelope.Stored, usable func(origin) bool) *envelope.LocalKEK {
	u, _ := c.get(c.keks, s, usable)
	return u.kek
}

func (c *unwrapCache) get(list *unwrappedList, s envelope.Stored, usable func(origin) bool) (unwrapped, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, ok := list.Get(cacheKeyOf(s))
	if !ok || !usable(u.origin) {
		return unwrapped{}, false
	}
	if u.kek == nil {
		u.secret = bytes.Clone(u.secret) // what is in the list may be overwritten at any time
	}
	return u, true
}

// addSeed holds a copy of the seed inside s.
func (c *unwrapCache) addSeed(s envelope.Stored, from origin, seed []byte) {
	c.add(c.seeds, s, unwrapped{origin: from, secret: bytes.Clone(seed)})
}

// addKEK holds the local KEK that wrapped s, and where wanted a copy of its bytes.
func (c *unwrapCache) addKEK(s envelope.Stored, from origin, kek *envelope.LocalKEK, key []byte) {
	u := unwrapped{origin: from, kek: kek}
	if c.retain {
		u.secret = bytes.Clone(key)
	}
	c.add(c.keks, s, u)
}

func (c *unwrapCache) add(list *unwrappedList, s envelope.Stored, u unwrapped) {
	key := cacheKeyOf(s)
	c.mu.Lock()
	list.Remove(key) // overwrites what was there; Add alone would not
	list.Add(key, u)
	c.edits++
	c.mu.Unlock()
	c.changed()
}

// drop overwrites and forgets everything of which gone says so.
func (c *unwrapCache) drop(gone func(origin) bool) {
	dropped := 0
	c.mu.Lock()
	for _, list := range []*unwrappedList{c.seeds, c.keks} {
		for _, key := range list.Keys() {
			if u, ok := list.Peek(key); ok && gone(u.origin) && list.Remove(key) {
				dropped++
			}
		}
	}
	c.edits += uint64(dropped)
	c.mu.Unlock()
	if dropped > 0 {
		c.changed()
	}
}

// since returns the versions, by key_id, under which something of a source is held,
// and since when the oldest of it, on the boot clock.
func (c *unwrapCache) since(src *source) map[string]time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := map[string]time.Duration{}
	for _, u := range slices.Concat(c.seeds.Values(), c.keks.Values()) {
		if at, ok := since[u.keyID]; u.source == src && (!ok || u.at < at) {
			since[u.keyID] = u.at
		}
	}
	return since
}

// generation is another number after every edit.
func (c *unwrapCache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.edits
}

// len returns how many seeds and local KEKs are held.
func (c *unwrapCache) len() (seeds, keks int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seeds.Len(), c.keks.Len()
}

// checkpoint returns copies of everything that is to survive a restart. Keys are named
// by their index in sources.
func (c *unwrapCache) checkpoint(sources []*source) (keks, seeds []checkpoint.Unwrapped) {
	c.mu.Lock()
	defer c.mu.Unlock()
	convert := func(list *unwrappedList) (all []checkpoint.Unwrapped) {
		for _, key := range list.Keys() { // the oldest first, as restore wants them
			if u, ok := list.Peek(key); ok {
				all = append(all, checkpoint.Unwrapped{Name: bytes.Clone(key[:]), Source: slices.Index(sources, u.source),
					KeyID: u.keyID, At: u.at, Secret: bytes.Clone(u.secret)})
			}
		}
		return all
	}
	return convert(c.keks), convert(c.seeds)
}

// restore takes over what checkpoint returned before a restart. owners says which key
// each index in it stands for now; nil is a key that is no longer configured. What such
// a key unwrapped is left out: nothing would drop it when its lease ends.
func (c *unwrapCache) restore(keks, seeds []checkpoint.Unwrapped, owners []*source) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range slices.Concat(keks, seeds) {
		if len(u.Name) != len(cacheKey{}) || u.Source < 0 || u.Source >= len(owners) {
			return fmt.Errorf("%w: an entry in it has a name of %d bytes and is of key %d of %d", checkpoint.ErrUnusable, len(u.Name), u.Source, len(owners))
		}
	}
	for i, u := range slices.Concat(keks, seeds) {
		if owners[u.Source] == nil {
			continue
		}
		entry, list := unwrapped{origin: origin{owners[u.Source], u.KeyID, u.At}, secret: bytes.Clone(u.Secret)}, c.seeds
		if i < len(keks) {
			kek, err := envelope.NewLocalKEK(u.Secret)
			if err != nil {
				return fmt.Errorf("restore an unwrapped local KEK: %w", err)
			}
			entry.kek, list = kek, c.keks
		}
		list.Add(cacheKey(u.Name), entry)
	}
	return nil
}
