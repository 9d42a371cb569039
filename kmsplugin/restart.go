package kmsplugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
)

// What of a Service survives a restart: the state of each key, and the unwrap cache.

// subject is what is saved of the Service.
func (s *Service) subject() checkpoint.Subject {
	return checkpoint.Subject{Settled: s.settled, Shape: s.shape, Interval: s.config.LocalKEK.Lease / 48, State: s.state, Boot: s.boot}
}

// settled reports whether any key is, see keystate.Snapshot.Settled.
func (s *Service) settled() bool {
	return slices.ContainsFunc(s.sources, func(src *source) bool { return src.monitor.Snapshot().Settled() })
}

// shape changes whenever what is held changes.
func (s *Service) shape() string {
	var b strings.Builder
	for _, src := range s.sources {
		b.WriteString(src.monitor.Snapshot().Shape())
	}
	fmt.Fprintln(&b, s.cache.generation())
	return b.String()
}

// state returns everything to save; its secrets are copies.
func (s *Service) state() *checkpoint.State {
	state := &checkpoint.State{Boot: s.machine, Cluster: s.config.Cluster, Envelope: s.config.Envelope}
	for _, src := range s.sources {
		c := src.monitor.Checkpoint()
		c.Identity = src.identity
		state.Sources = append(state.Sources, c)
	}
	state.KEKs, state.Seeds = s.cache.checkpoint(s.sources)
	return state
}

// restore takes over what was saved before a restart. It is called before anything
// runs. A failure leaves the Service usable: it then fetches everything anew.
func (s *Service) restore(store checkpoint.Store) error {
	text, err := store.Load()
	if err != nil || text == nil {
		return err
	}
	defer clear(text)
	state, err := checkpoint.Parse(text, s.machine, s.config.Cluster)
	if err != nil {
		return err
	}
	defer state.Clear()
	defer func() {
		for _, src := range s.sources {
			src.monitor.Resume()
		}
	}()
	owners := s.owners(state)
	for i, c := range state.Sources {
		if owners[i] == nil {
			s.log.Warn("the saved state of a key is not taken over: no source in the configuration is certain to be that key",
				"key", c.Path, "addresses", c.Addresses)
			continue
		}
		if err := owners[i].monitor.Restore(c, state.Envelope == EnvelopeLocal); err != nil {
			return err
		}
	}
	return s.cache.restore(state.KEKs, state.Seeds, owners)
}

// owners returns which source each saved one is now; nil where none is.
func (s *Service) owners(state *checkpoint.State) []*source {
	configured := make([]checkpoint.Identity, len(s.sources))
	for i, src := range s.sources {
		configured[i] = src.identity
	}
	owners := make([]*source, len(state.Sources))
	for i, j := range checkpoint.Match(state.Identities(), configured) {
		if j >= 0 {
			owners[i] = s.sources[j]
		}
	}
	return owners
}
