package kmsplugin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Keep is where local KEKs outlive this process: without one, a plugin that is
// restarted in an outage has nothing to serve with.
type Keep interface {
	// Load returns what Save was last given, or nil. The caller clears it.
	Load() ([]byte, error)
	// Save replaces what is kept. It does not hold on to state, and it gives up
	// within seconds: a process that ends waits for it.
	Save(state []byte) error
}

const (
	// saveGap is how long changes gather after a save: each is the whole state,
	// and an API server that starts has one seed after another opened.
	saveGap = time.Second
	// saveRetry is how soon a save that failed is tried again. Until one
	// succeeds, what was dropped may still be in the store.
	saveRetry = 10 * time.Second
)

// rawKEKs holds the bytes of one keeper's local KEKs until they are kept. Each
// keeper has its own: a key restored into another Vault has the same key_ids, and
// the end of one must not take the bytes of the other. A nil one holds nothing.
type rawKEKs struct {
	edited func() // told when there may be something new to keep

	mu      sync.Mutex
	byKeyID map[string][]byte
}

func (r *rawKEKs) changed() {
	if r != nil {
		r.edited()
	}
}

// add takes local KEKs over, by key_id.
func (r *rawKEKs) add(raw map[string][]byte) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, key := range raw {
		clear(r.byKeyID[id])
		r.byKeyID[id] = key
	}
}

// drop overwrites local KEKs, by key_id.
func (r *rawKEKs) drop(keyIDs []string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range keyIDs {
		clear(r.byKeyID[id])
		delete(r.byKeyID, id)
	}
}

// copyOf returns a copy of one, or nil.
func (r *rawKEKs) copyOf(keyID string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.byKeyID[keyID])
}

// preserver hands what a Service holds to its Keep whenever that has changed.
type preserver struct {
	keep    Keep
	machine string // identifies this boot
	log     *slog.Logger
	dirty   chan struct{}

	// Owned by run.
	shape string
	saved time.Duration
	fault string
}

func newPreserver(keep Keep, machine string, log *slog.Logger) *preserver {
	return &preserver{keep: keep, machine: machine, log: log, dirty: make(chan struct{}, 1)}
}

// raw returns where one keeper puts what is to be kept; nil if nothing is.
func (p *preserver) raw() *rawKEKs {
	if p == nil {
		return nil
	}
	return &rawKEKs{edited: p.changed, byKeyID: map[string][]byte{}}
}

// changed says that there may be something new to keep.
func (p *preserver) changed() {
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

// run saves until the context ends, and then once more: a restart in an outage
// begins with the end of the process before. It must return before the keepers
// forget, or their having forgotten would be what is kept.
func (p *preserver) run(ctx context.Context, s *Service) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-p.dirty:
		}
		if !p.due(s) {
			continue
		}
		pause := saveGap
		if !p.save(s) {
			pause = saveRetry
			p.changed()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if s.learned() {
		p.save(s)
	}
}

// due reports whether the present state is worth a save: a later lease alone is
// only now and then.
func (p *preserver) due(s *Service) bool {
	return s.learned() && (s.shape() != p.shape || s.boot()-p.saved >= s.config.LocalKEK.Lease/48)
}

// save keeps the present state.
func (p *preserver) save(s *Service) bool {
	shape, now := s.shape(), s.boot()
	state := s.compose(p.machine)
	defer state.clear()
	text, err := json.Marshal(state)
	if err == nil {
		err = p.keep.Save(text)
	}
	clear(text)
	if err != nil {
		if p.fault != err.Error() {
			p.fault = err.Error()
			p.log.Error("what survives a restart is out of date: local keys that are new are missing there, those that were dropped may still be there; this is tried again",
				"cause", err.Error())
		}
		return false
	}
	if p.fault != "" {
		p.log.Info("what survives a restart is up to date again")
	}
	p.shape, p.saved, p.fault = shape, now, ""
	return true
}

// learned reports whether what is held, or that nothing is, is to take the place of
// what was kept. One that knows nothing leaves what it could not use where it is: a
// plugin of the version that wrote it may have to come back. A refusal is no reason
// to erase it, unless what is refused is to be dropped.
func (s *Service) learned() bool {
	return slices.ContainsFunc(s.sources, func(src *source) bool {
		snap := src.keeper.snapshot()
		return snap.standing.everGood || snap.erased || snap.standing.key.confirmed && snap.onRefusal == RefusalDrop
	})
}

// shape changes whenever what is held does.
func (s *Service) shape() string {
	var b strings.Builder
	for _, src := range s.sources {
		snap := src.keeper.snapshot()
		fmt.Fprintln(&b, snap.choice.version, snap.choice.next, snap.choice.at, snap.resumed, snap.key.Latest, snap.key.MinDecryption,
			snap.key.MinEncryption, slices.Sorted(maps.Keys(snap.versions)), snap.withheld) // maps are printed in order
	}
	fmt.Fprintln(&b, s.opened.generation())
	return b.String()
}

// compose returns everything to keep; its secrets are copies.
func (s *Service) compose(machine string) *kept {
	k := &kept{Format: keptFormat, Boot: machine, Cluster: s.config.Cluster, Envelope: s.config.Envelope}
	for _, src := range s.sources {
		snap := src.keeper.snapshot()
		ks := keptSource{
			Path: src.identity.path, Addresses: src.identity.addresses,
			Key: snap.key, Version: snap.choice.version, Next: snap.choice.next, At: snap.choice.at, Resumed: snap.resumed,
			LastGood: snap.standing.lastGood, Low: snap.clock.low, High: snap.clock.high, ClockAt: snap.clock.at,
		}
		for id, v := range snap.versions {
			raw := src.keeper.keep.copyOf(id)
			if v.kek != nil && raw == nil {
				continue // dropped between our two looks
			}
			ks.Versions = append(ks.Versions, keptVersion{
				Number: v.number, KeyID: id, KEK: raw, Wrapped: v.wrapped,
				Plain: slices.Clone(v.canary.plain), Sealed: v.canary.sealed,
				Confirmed: snap.leaseEnds[id] - s.config.LocalKEK.Lease,
			})
		}
		for id, w := range snap.withheld {
			k.Format = keptWithheld
			ks.Withheld = append(ks.Withheld, keptRefusal{KeyID: id, Since: w.since, WholeKey: w.class == backend.Refusal, Reason: w.reason})
		}
		k.Sources = append(k.Sources, ks)
	}
	k.KEKs, k.Seeds = s.opened.kept(s.sources)
	return k
}
