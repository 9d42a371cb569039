package keystate

import (
	"fmt"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// compose returns the snapshot of the present state.
func (m *Monitor) compose() *Snapshot {
	s := &Snapshot{
		Health:      m.health,
		Choice:      m.choice,
		Key:         m.key,
		Risks:       m.risks,
		Unconfirmed: m.unconfirmed,
		OnRefusal:   m.onRefusal,
		keks:        make(map[kekName]*envelope.LocalKEK, len(m.versions)),
		leaseEnds:   make(map[string]time.Duration, len(m.confirmed)),
		keyIDs:      make(map[int]string, len(m.key.Created)),
		gone:        map[string]bool{},
		lease:       m.settings.Lease,
		resumed:     m.resumed,
		clock:       m.clock,
		versions:    m.versions,
		withheld:    m.withheld,
		recoverable: m.recoverable(),
		erased:      m.erased,
	}
	for _, v := range m.versions {
		if v.KEK != nil {
			s.keks[kekName{v.Binding, v.KEK.Fingerprint()}] = v.KEK
		}
	}
	for id, at := range m.confirmed {
		s.leaseEnds[id] = at + m.settings.Lease
	}
	for n := range m.key.Created {
		s.keyIDs[n] = versionID(m.key, n)
	}
	failsClosed := m.onRefusal != Lease
	if failsClosed {
		for id, r := range m.health.versions {
			s.gone[id] = r.confirmed
		}
	}
	if r := m.health.key; failsClosed && r.confirmed {
		s.refused = refusalError(r.reason)
		if _, ok := s.RefusedLeft(m.boot()); ok {
			s.refused = refusalError(r.reason + withheldHint)
		}
	}
	s.write = m.writes()
	key, writing := m.health.key, m.health.versions[m.choice.KeyID]
	switch {
	case s.write == nil:
		s.notReady = m.whyNotReady(s)
	case failsClosed && key.suspected:
		s.suspended = refusalError(key.reason + " (not confirmed yet: nothing new is sealed until this is clear, for a minute as a rule)")
		s.suspensionEnds = m.health.suspicionEnds(key)
	case failsClosed && writing.suspected:
		s.suspended = &backend.Error{Class: backend.VersionRefusal, Op: "encrypt",
			Reason: fmt.Sprintf("Vault refuses key version %d", m.choice.Version)}
		s.suspensionEnds = m.health.suspicionEnds(writing)
	}
	return s
}

// whyNotReady says why there is no version to write with.
func (m *Monitor) whyNotReady(s *Snapshot) error {
	var why error
	switch {
	case !m.usable(m.choice.KeyID):
		return m.withheld[m.choice.KeyID].err(s.hint(m.choice.KeyID))
	case m.lost.Class != 0:
		return m.lost.err("")
	case m.health.Class != 0:
		why = &backend.Error{Class: m.health.Class, Op: "waiting for Vault", Reason: m.health.Reason}
	case m.provision != nil:
		why = m.provision
	case m.health.EverGood:
		why = &backend.Error{Class: backend.Unsuitable, Op: "read the key", Reason: "it has no version that may encrypt"}
	default:
		why = &backend.Error{Class: backend.Outage, Op: "waiting for Vault", Reason: "no answer yet"}
	}
	return fmt.Errorf("%w: %w", ErrNotReady, why)
}
