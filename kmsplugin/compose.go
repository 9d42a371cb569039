package kmsplugin

import (
	"fmt"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// compose is the snapshot of the present state.
func (k *keeper) compose() *snapshot {
	s := &snapshot{
		keks:      make(map[kekName]*envelope.LocalKEK, len(k.versions)),
		leaseEnds: make(map[string]time.Duration, len(k.confirmed)),
		keyIDs:    make(map[int]string, len(k.key.Created)),
		gone:      map[string]bool{},
		lease:     k.config.LocalKEK.Lease,
		choice:    k.choice,
		resumed:   k.resumed,
		standing:  k.standing,
		key:       k.key,
		clock:     k.clock,
		versions:  k.versions,
		hazards:   k.hazards,

		onRefusal:   k.onRefusal,
		withheld:    k.withheld,
		rescues:     k.rescues(),
		erased:      k.erased,
		unconfirmed: k.unconfirmed,
	}
	for _, v := range k.versions {
		if v.kek != nil {
			s.keks[kekName{v.binding, v.kek.Fingerprint()}] = v.kek
		}
	}
	for id, at := range k.confirmed {
		s.leaseEnds[id] = at + k.config.LocalKEK.Lease
	}
	for n := range k.key.Created {
		s.keyIDs[n] = versionID(k.key, n)
	}
	failsClosed := k.onRefusal != RefusalLease
	if failsClosed {
		for id, r := range k.standing.versions {
			s.gone[id] = r.confirmed
		}
	}
	if r := k.standing.key; failsClosed && r.confirmed {
		s.refused = refusalError(r.reason)
		if _, ok := s.refusedLeft(k.boot()); ok {
			s.refused = refusalError(r.reason + withheldHint)
		}
	}
	s.write = k.writes()
	key, writing := k.standing.key, k.standing.versions[k.choice.keyID]
	switch {
	case s.write == nil:
		s.notReady = k.whyNotReady(s)
	case failsClosed && key.suspected:
		s.suspended = refusalError(key.reason + " (not confirmed yet: nothing new is sealed until this is clear, for a minute as a rule)")
		s.suspensionEnds = k.standing.suspicionEnds(key)
	case failsClosed && writing.suspected:
		s.suspended = &backend.Error{Class: backend.VersionRefusal, Op: "encrypt",
			Reason: fmt.Sprintf("Vault refuses key version %d", k.choice.version)}
		s.suspensionEnds = k.standing.suspicionEnds(writing)
	}
	return s
}

func (k *keeper) whyNotReady(s *snapshot) error {
	switch {
	case !k.usable(k.choice.keyID):
		return k.withheld[k.choice.keyID].err(s.hint(k.choice.keyID))
	case k.lost.class != 0:
		return k.lost.err("")
	case k.standing.class != 0:
		return fmt.Errorf("%w: %w", errNotReady, &backend.Error{Class: k.standing.class, Op: "waiting for Vault", Reason: k.standing.reason})
	case k.prepare != nil:
		return fmt.Errorf("%w: %w", errNotReady, k.prepare)
	case k.standing.everGood:
		return fmt.Errorf("%w: %w", errNotReady, &backend.Error{Class: backend.Unsuitable, Op: "read the key", Reason: "it has no version that may encrypt"})
	default:
		return fmt.Errorf("%w: %w", errNotReady, &backend.Error{Class: backend.Outage, Op: "waiting for Vault", Reason: "no answer yet"})
	}
}
