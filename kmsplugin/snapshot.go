package kmsplugin

import (
	"fmt"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// kekName finds a local KEK: two clusters, or two derivations, never share one.
type kekName struct {
	binding     envelope.Binding
	fingerprint envelope.Fingerprint
}

// snapshot is everything that requests are answered from. It is immutable and
// replaced whole: Status and Encrypt must never disagree on the key_id, or the
// API server's writes stop.
type snapshot struct {
	// refused is set when the key store refuses the key for certain: nothing is
	// served any more.
	refused error
	// notReady says why there is no version to write with; nil if there is.
	notReady error
	// suspended says why nothing new may be sealed although there is one.
	suspended error
	// suspensionEnds is when that is over, on the boot clock, whatever becomes of
	// the next probe.
	suspensionEnds time.Duration

	write *version // nil if notReady
	keks  map[kekName]*envelope.LocalKEK
	// leaseEnds is when each version, by key_id, may no longer be used, on the
	// boot clock.
	leaseEnds map[string]time.Duration
	lease     time.Duration // how long it was
	// keyIDs names the versions that the key store lists.
	keyIDs map[int]string
	// gone lists versions, by key_id, that the key store refuses.
	gone map[string]bool

	choice   choice
	resumed  time.Time // see promotion
	standing standing
	key      backend.Key
	clock    serverTime
	versions map[string]*version // by key_id
	hazards  []hazard

	onRefusal string
	// withheld lists versions, by key_id, that the key store refuses and of which
	// something is held.
	withheld map[string]withholding
	// rescues says of those of which something is held that opens data, by key_id,
	// when its first lease ends, on the boot clock.
	rescues map[string]time.Duration
	// erased is whether something was dropped because it was refused.
	erased bool
	// unconfirmed says of versions, by key_id, why their lease is not renewed.
	unconfirmed map[string]string
}

// writable returns the version to write with, or why there is none now.
func (s *snapshot) writable(now time.Duration) (*version, error) {
	v, err := s.serving(now)
	if err != nil {
		return nil, err
	}
	if s.suspended != nil && now < s.suspensionEnds {
		return nil, s.suspended
	}
	return v, nil
}

// serving returns the version that Status names, or why it must fail. Failing is
// an error, never an unhealthy answer with the same key_id: that would let the
// API server write on without end (kubernetes/kubernetes#138950).
func (s *snapshot) serving(now time.Duration) (*version, error) {
	switch {
	case s.refused != nil:
		return nil, s.refused
	case s.notReady != nil && s.standing.class == 0:
		return nil, s.notReady // Vault is back: what is amiss now says more than the lease
	case s.leaseOver(now):
		return nil, s.leaseError(now)
	case s.notReady != nil:
		return nil, s.notReady
	}
	return s.write, nil
}

// leaseOver reports whether the version that was written with may be used no
// longer.
func (s *snapshot) leaseOver(now time.Duration) bool {
	end, held := s.leaseEnds[s.choice.keyID]
	return held && now >= end
}

func (s *snapshot) ended(keyID string, now time.Duration) bool { return now >= s.leaseEnds[keyID] }

func (s *snapshot) leaseError(now time.Duration) error {
	why := s.standing.reason
	if s.standing.class == 0 {
		why = "no probe since then has had it opened"
	}
	confirmed := s.leaseEnds[s.choice.keyID] - s.lease
	return fmt.Errorf("%w: Vault has not confirmed it for %v (%s)", errLeaseEnded, (now - confirmed).Round(time.Second), why)
}

// localKEK returns the local KEK that sealed s, if it is held and under lease.
func (s *snapshot) localKEK(sealed envelope.Stored, now time.Duration) *envelope.LocalKEK {
	if _, heldBack := s.heldBack(sealed.Binding.KeyID); heldBack || s.ended(sealed.Binding.KeyID, now) {
		return nil
	}
	return s.keks[kekName{sealed.Binding, sealed.Fingerprint}]
}

// keyIDOf returns the key_id of the version that sealed names: the stored one
// where it is ours, or else the one that the key store lists under that number.
func (s *snapshot) keyIDOf(sealed envelope.Stored) string {
	id := sealed.Binding.KeyID
	if _, ok := s.leaseEnds[id]; ok || s.gone[id] || s.withheld[id].class != 0 {
		return id
	}
	return s.keyIDs[sealed.Version]
}
