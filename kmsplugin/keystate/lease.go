package keystate

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A lease begins with the probe that last confirmed a version. When it ends, the version
// is used no more, whether or not it is dropped already.

// dropExpired drops the versions whose lease has ended. The probe that finds the key
// store again provisions those that it still has.
func (m *Monitor) dropExpired() {
	now := m.boot()
	ended := func(id string) bool { return now >= m.confirmed[id]+m.settings.Lease }
	m.drop(ended, "its lease has ended")
	m.unwrapped.Drop(func(id string, at time.Duration) bool { return now >= at+m.settings.Lease && ended(id) })
	m.unmark()
}

// drop drops the versions that are gone, and returns their key_ids.
func (m *Monitor) drop(gone func(keyID string) bool, why string) []string {
	var dropped []string
	m.versions, m.unconfirmed = maps.Clone(m.versions), maps.Clone(m.unconfirmed)
	for _, id := range slices.Sorted(maps.Keys(m.versions)) {
		if gone(id) {
			m.log.Error("a local key is dropped", "reason", why, "version", m.versions[id].Number, "key_id", id)
			m.overwrite(m.versions[id])
			delete(m.versions, id)
			delete(m.unconfirmed, id)
			dropped = append(dropped, id)
		}
	}
	return dropped
}

// overwrite overwrites the bytes of a local KEK. The KEK itself is overwritten, if at
// all, when nothing refers to it any more: see docs/memory.md.
func (m *Monitor) overwrite(v *Version) {
	m.raws.Lock()
	defer m.raws.Unlock()
	clear(v.raw)
	v.raw = nil
}

// forget drops everything, at the end of Run.
func (m *Monitor) forget() {
	for _, v := range m.versions {
		m.overwrite(v)
	}
	m.versions, m.confirmed = map[string]*Version{}, map[string]time.Duration{}
	m.withheld, m.unconfirmed = map[string]Withheld{}, nil
	m.choice = Choice{}
	m.current.Store(m.compose())
	m.unwrapped.Drop(func(string, time.Duration) bool { return true })
}

// leaseLeft is how long the version that writes may still be used; for a key that
// never writes, the version whose lease ends first.
func (m *Monitor) leaseLeft() time.Duration {
	id := m.choice.KeyID
	if m.settings.ReadOnly {
		for other := range m.versions {
			if m.versions[id] == nil || m.confirmed[other] < m.confirmed[id] {
				id = other
			}
		}
	}
	if _, ok := m.confirmed[id]; !ok {
		return 0
	}
	return m.leaseOf(id)
}

// leaseOf is how long a version may still be used.
func (m *Monitor) leaseOf(keyID string) time.Duration {
	return max(m.confirmed[keyID]+m.settings.Lease-m.boot(), 0)
}

// LeaseError returns ErrLeaseEnded, with the reason, once the version that writes, or
// wrote last, may be used no longer; nil until then.
func (s *Snapshot) LeaseError(now time.Duration) error {
	end, held := s.leaseEnds[s.Choice.KeyID]
	if !held || now < end {
		return nil
	}
	why := s.Health.Reason
	if s.Health.Class == 0 {
		why = "no probe since then has had it opened"
	}
	return fmt.Errorf("%w: Vault has not confirmed it for %v (%s)", ErrLeaseEnded, (now - end + s.lease).Round(time.Second), why)
}

// LeaseLeft is how long a version may still be used if it is not confirmed again;
// negative once that is over.
func (s *Snapshot) LeaseLeft(keyID string, now time.Duration) time.Duration {
	return s.leaseEnds[keyID] - now
}

func (s *Snapshot) ended(keyID string, now time.Duration) bool { return s.LeaseLeft(keyID, now) <= 0 }

// UsableSince reports whether what was unwrapped on request at a time, under a version,
// may still be used: the version must not be withheld, and it must be under lease, its
// own or a later one of that version.
func (s *Snapshot) UsableSince(keyID string, at, now time.Duration) bool {
	if _, heldBack := s.heldBack(keyID); heldBack {
		return false
	}
	return now < at+s.lease || !s.ended(keyID, now)
}
