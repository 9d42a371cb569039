package keystate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Checkpoint returns what is to survive a restart. Its secrets are copies.
func (m *Monitor) Checkpoint() checkpoint.Source {
	s := m.Snapshot()
	c := checkpoint.Source{
		Key: s.Key, Version: s.Choice.Version, Next: s.Choice.Next, At: s.Choice.At, Resumed: s.resumed,
		LastGood: s.Health.LastGood, Low: s.clock.low, High: s.clock.high, ClockAt: s.clock.at,
	}
	m.raws.Lock()
	defer m.raws.Unlock()
	for id, v := range s.versions {
		if v.KEK != nil && v.raw == nil {
			continue // dropped since the snapshot
		}
		c.Versions = append(c.Versions, checkpoint.Version{
			Number: v.Number, KeyID: id, KEK: slices.Clone(v.raw), Wrapped: v.Wrapped,
			Plain: slices.Clone(v.canary.plain), Sealed: v.canary.wrapped,
			Confirmed: s.leaseEnds[id] - s.lease,
		})
	}
	for id, w := range s.withheld {
		c.Withheld = append(c.Withheld, checkpoint.Refusal{KeyID: id, Since: w.Since, WholeKey: w.Class == backend.Refusal, Reason: w.Reason})
	}
	return c
}

// Restore takes over what Checkpoint returned before a restart, and is called before
// Run; Resume then publishes it. localKEKs is whether local KEKs were provisioned then.
// Until a probe has an answer, what was restored is as good as what a process that went
// on would hold.
func (m *Monitor) Restore(c checkpoint.Source, localKEKs bool) error {
	for _, r := range c.Withheld {
		w := Withheld{Since: r.Since, Class: backend.VersionRefusal, Reason: r.Reason}
		if r.WholeKey {
			w.Class = backend.Refusal
		}
		m.withheld[r.KeyID] = w
	}
	for _, cv := range c.Versions {
		v := &Version{
			Number:  cv.Number,
			Binding: envelope.Binding{Cluster: m.settings.Cluster, KeyID: cv.KeyID},
			Wrapped: cv.Wrapped,
			canary:  canary{plain: slices.Clone(cv.Plain), wrapped: cv.Sealed},
		}
		if len(cv.KEK) > 0 {
			kek, err := envelope.NewLocalKEK(cv.KEK)
			if err != nil {
				return fmt.Errorf("restore %s: %w", cv.KeyID, err)
			}
			v.KEK, v.raw = kek, slices.Clone(cv.KEK)
		} else if localKEKs != m.settings.LocalKEKs && !v.canary.isDecoy() {
			continue // saved without a local KEK, which is now wanted
		}
		m.versions[cv.KeyID] = v
		m.confirmed[cv.KeyID] = cv.Confirmed
	}
	if len(m.versions) == 0 {
		return nil
	}
	m.key = c.Key
	m.created, m.oldest = maps.Clone(c.Key.Created), c.Key.MinDecryption
	m.clock = serverTime{known: c.High != 0, low: c.Low, high: c.High, at: c.ClockAt}
	m.health.EverGood, m.health.LastGood = true, c.LastGood
	m.seen, m.resumed = c.LastGood, c.Resumed
	m.choice = m.restoredChoice(c)
	m.warm = true
	m.log.Info("local keys taken over from before the restart", "versions", len(m.versions), "write_version", m.choice.Version,
		"last_good_probe", (m.boot() - c.LastGood).Round(time.Second), "lease_left", m.leaseLeft().Round(time.Second))
	return nil
}

// Resume publishes what Restore took over, once what this key had unwrapped on request
// is restored as well.
func (m *Monitor) Resume() {
	m.logWithheld(slices.Collect(maps.Keys(m.withheld)))
	m.dropRefused()
	m.unmark()
	m.current.Store(m.compose())
	m.changed()
}

// restoredChoice is the version that wrote before the restart. A key that now only
// decrypts has none.
func (m *Monitor) restoredChoice(c checkpoint.Source) Choice {
	id := versionID(c.Key, c.Version)
	if m.settings.ReadOnly || m.versions[id] == nil {
		return Choice{}
	}
	return Choice{Version: c.Version, KeyID: id, Next: c.Next, At: c.At,
		Announced: c.Key.Created[c.Next].Add(m.settings.PromotionDelay)}
}
