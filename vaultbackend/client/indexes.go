package client

import (
	"net/http"
	"sync"

	"github.com/hashicorp/vault/api"
)

// indexes remembers how far Vault's storage had come with the answers seen so
// far, and asks for no less: a token made at one node must not be unknown to
// the next one. Vault Enterprise says so in a header; Vault Community has no
// nodes that could lag behind, sends none, and so is asked for nothing.
type indexes struct {
	mu   sync.Mutex
	seen []string // at most two, of one cluster; opaque but to vault/api
}

// require puts into a request what its answer may not fall behind.
func (i *indexes) require(h http.Header) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, index := range i.seen {
		h.Add(api.HeaderIndex, index)
	}
}

// record takes what an answer says.
func (i *indexes) record(h http.Header) {
	index := h.Get(api.HeaderIndex)
	if index == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen = api.MergeReplicationStates(i.seen, index)
}

// forget asks for nothing any more. A Vault that was restored from a snapshot
// may never get as far again as it once was.
func (i *indexes) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen = nil
}
