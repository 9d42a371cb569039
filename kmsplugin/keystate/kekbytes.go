package keystate

import (
	"slices"
	"sync"
)

// kekBytes holds the bytes of one key's local KEKs until they are saved. Each
// Monitor has its own: a key restored into another Vault has the same key_ids, and
// dropping one must not erase the bytes of the other.
type kekBytes struct {
	mu      sync.Mutex
	byKeyID map[string][]byte
}

// add takes over the bytes of local KEKs, by key_id.
func (b *kekBytes) add(keys map[string][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, key := range keys {
		clear(b.byKeyID[id])
		b.byKeyID[id] = key
	}
}

// drop overwrites the bytes of local KEKs, by key_id.
func (b *kekBytes) drop(keyIDs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range keyIDs {
		clear(b.byKeyID[id])
		delete(b.byKeyID, id)
	}
}

// copyOf returns a copy of the bytes of one local KEK, or nil.
func (b *kekBytes) copyOf(keyID string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.byKeyID[keyID])
}
