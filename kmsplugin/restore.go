package kmsplugin

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// restore takes over what was kept. It is called before anything runs.
func (s *Service) restore(p *preserver) error {
	text, err := p.keep.Load()
	if err != nil || text == nil {
		return err
	}
	defer clear(text)
	k, err := parseKept(text, p.machine, s.config.Cluster)
	if err != nil {
		return err
	}
	defer k.clear()
	owners := s.owners(k)
	defer func() {
		for _, src := range s.sources {
			src.keeper.restored()
		}
	}()
	for i, ks := range k.Sources {
		if owners[i] == nil {
			s.log.Warn("what was kept of a key is not taken over: no source in the configuration is certain to be that key",
				"key", ks.Path, "addresses", ks.Addresses)
			continue
		}
		if err := owners[i].keeper.restore(ks, k.Envelope); err != nil {
			return err
		}
	}
	return s.opened.restore(k.KEKs, k.Seeds, owners)
}

// owners returns which source each kept one is now; nil where none is.
func (s *Service) owners(k *kept) []*source {
	configured := make([]identity, len(s.sources))
	for i, src := range s.sources {
		configured[i] = src.identity
	}
	owners := make([]*source, len(k.Sources))
	for i, j := range match(k.identities(), configured) {
		if j >= 0 {
			owners[i] = s.sources[j]
		}
	}
	return owners
}

// restore takes over what was kept of this key. A probe follows at once; until
// it has an answer, this is as good as what a process that went on would hold.
func (k *keeper) restore(ks keptSource, envelopeThen string) error {
	for _, r := range ks.Withheld {
		w := withholding{since: r.Since, class: backend.VersionRefusal, reason: r.Reason}
		if r.WholeKey {
			w.class = backend.Refusal
		}
		k.withheld[r.KeyID] = w
	}
	raw := map[string][]byte{}
	for _, kv := range ks.Versions {
		v := &version{
			number:  kv.Number,
			binding: envelope.Binding{Cluster: k.config.Cluster, KeyID: kv.KeyID},
			wrapped: kv.Wrapped,
			canary:  canary{plain: slices.Clone(kv.Plain), sealed: kv.Sealed},
		}
		if len(kv.KEK) > 0 {
			kek, err := envelope.NewLocalKEK(kv.KEK)
			if err != nil {
				return fmt.Errorf("restore %s: %w", kv.KeyID, err)
			}
			v.kek = kek
			raw[kv.KeyID] = slices.Clone(kv.KEK)
		} else if envelopeThen != k.config.Envelope && !v.canary.blank() {
			continue // kept without a local KEK, which is now wanted
		}
		k.versions[kv.KeyID] = v
		k.confirmed[kv.KeyID] = kv.Confirmed
	}
	if len(k.versions) == 0 {
		return nil
	}
	k.keep.add(raw)
	k.key = ks.Key
	k.lineage, k.oldest = maps.Clone(ks.Key.Created), ks.Key.MinDecryption
	k.clock = serverTime{known: ks.High != 0, low: ks.Low, high: ks.High, at: ks.ClockAt}
	k.standing.everGood, k.standing.lastGood = true, ks.LastGood
	k.seen, k.resumed = ks.LastGood, ks.Resumed
	k.choice = k.restoredChoice(ks)
	k.warm = true
	k.log.Info("local keys taken over from before the restart", "versions", len(k.versions), "write_version", k.choice.version,
		"last_good_probe", (k.boot() - ks.LastGood).Round(time.Second), "lease_left", k.leaseLeft().Round(time.Second))
	return nil
}

// restored makes what was taken over, of this key and of what it had opened, what
// requests are answered from.
func (k *keeper) restored() {
	k.logWithheld(slices.Collect(maps.Keys(k.withheld)))
	k.enforce()
	k.unmark()
	k.current.Store(k.compose())
	k.keep.changed()
}

// restoredChoice is the version that wrote before the restart, if this key still
// writes: it may have become a previous one meanwhile.
func (k *keeper) restoredChoice(ks keptSource) choice {
	id := envelope.KeyID(ks.Key.Mount, ks.Key.Name, ks.Version, ks.Key.Created[ks.Version])
	if k.prober.readOnly || k.versions[id] == nil {
		return choice{}
	}
	return choice{version: ks.Version, keyID: id, next: ks.Next, at: ks.At,
		announced: ks.Key.Created[ks.Next].Add(k.config.PromotionDelay)}
}
