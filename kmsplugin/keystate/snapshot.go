package keystate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// kekName identifies a local KEK: two clusters, or two derivations, never share one.
type kekName struct {
	binding     envelope.Binding
	fingerprint envelope.Fingerprint
}

// Snapshot is everything about one key that requests are answered from. It is
// immutable and replaced whole: Status and Encrypt must never disagree on the key_id,
// or the API server's writes stop. Times are on the boot clock unless they say
// otherwise.
type Snapshot struct {
	Health Health
	Choice Choice
	Key    backend.Key // as last read
	Risks  []Risk
	// Unconfirmed says of versions, by key_id, why their lease is not renewed.
	Unconfirmed map[string]string
	OnRefusal   string // Withhold, Drop or Lease

	// refused is set when the key store refuses the key for certain: nothing is
	// served any more.
	refused error
	// notReady says why there is no version to write with; nil if there is.
	notReady error
	// suspended says why nothing new may be wrapped although there is one, and
	// suspensionEnds when that is over without another probe.
	suspended      error
	suspensionEnds time.Duration

	write *Version // nil if notReady
	keks  map[kekName]*envelope.LocalKEK
	// leaseEnds is when each version, by key_id, may no longer be used.
	leaseEnds map[string]time.Duration
	lease     time.Duration // its length
	// keyIDs names the versions that the key store lists.
	keyIDs map[int]string
	// gone lists versions, by key_id, that the key store refuses.
	gone     map[string]bool
	resumed  time.Time // see promotion
	clock    serverTime
	versions map[string]*Version // by key_id

	// withheld lists versions, by key_id, that the key store refuses and of which
	// something is held; recoverable says of those of which something is held that
	// decrypts data when its first lease ends.
	withheld    map[string]Withheld
	recoverable map[string]time.Duration
	// erased is whether something was dropped because it was refused.
	erased bool
}

// Serving returns the version that Status names, or why Status must fail. Failing is
// an error, never an unhealthy answer with the same key_id: that would let the API
// server write on without end (kubernetes/kubernetes#138950).
func (s *Snapshot) Serving(now time.Duration) (*Version, error) {
	switch ended := s.LeaseError(now); {
	case s.refused != nil:
		return nil, s.refused
	case s.notReady != nil && s.Health.Class == 0:
		return nil, s.notReady // Vault is back: what is wrong now says more than the lease
	case ended != nil:
		return nil, ended
	case s.notReady != nil:
		return nil, s.notReady
	}
	return s.write, nil
}

// Writable returns the version to write with, or why there is none now.
func (s *Snapshot) Writable(now time.Duration) (*Version, error) {
	v, err := s.Serving(now)
	if err != nil {
		return nil, err
	}
	if s.suspended != nil && now < s.suspensionEnds {
		return nil, s.suspended
	}
	return v, nil
}

// KeyIDOf returns the key_id of the version that a stored seed names: the stored one
// where this key knows it, or else the one that the key store lists under that number;
// empty if there is none.
func (s *Snapshot) KeyIDOf(stored envelope.Stored) string {
	id := stored.Binding.KeyID
	if _, ok := s.leaseEnds[id]; ok || s.gone[id] || s.withheld[id].Class != 0 {
		return id
	}
	return s.keyIDs[stored.Version]
}

// Refusal says why nothing that was wrapped under a version is unwrapped; nil if it may
// be. number is the number of the version that keyID names.
func (s *Snapshot) Refusal(keyID string, number int) error {
	if s.refused != nil {
		return s.refused
	}
	if w, ok := s.heldBack(keyID); ok {
		return w.err(s.hint(keyID))
	}
	if s.gone[keyID] {
		return &backend.Error{Class: backend.VersionRefusal, Op: "decrypt", Reason: belowMinimum(s.Key, number, keyID)}
	}
	return nil
}

// LocalKEK returns the local KEK that wrapped a stored seed, if it is held and may be
// used; nil otherwise.
func (s *Snapshot) LocalKEK(stored envelope.Stored, now time.Duration) *envelope.LocalKEK {
	id := stored.Binding.KeyID
	if _, heldBack := s.heldBack(id); heldBack || s.ended(id, now) {
		return nil
	}
	return s.keks[kekName{stored.Binding, stored.Fingerprint}]
}

// LocalKEKs returns how many local KEKs are held.
func (s *Snapshot) LocalKEKs() int { return len(s.keks) }

// StoreTime is the key store's clock when ours shows now; false if it is not known.
func (s *Snapshot) StoreTime(now time.Duration) (time.Time, bool) { return s.clock.now(now) }

// heldBack returns why a version is held and must not be used; false if that is
// not so.
func (s *Snapshot) heldBack(keyID string) (Withheld, bool) {
	w := s.withheld[keyID]
	return w, w.Class != 0 && s.OnRefusal != Lease
}

// hint is withheldHint where something of a version can still be saved.
func (s *Snapshot) hint(keyID string) string {
	if _, ok := s.recoverable[keyID]; ok {
		return withheldHint
	}
	return ""
}

// RefusedLeft is how long data of a key that is refused as a whole can still be saved:
// until the first lease of what is held of it ends. It returns false if nothing of such
// a key is held.
func (s *Snapshot) RefusedLeft(now time.Duration) (left time.Duration, ok bool) {
	for id, end := range s.recoverable {
		if s.withheld[id].Class != backend.Refusal {
			continue
		}
		if l := end - now; !ok || l < left {
			left, ok = l, true
		}
	}
	return max(left, 0), ok
}

// Withheld returns what is refused, of the versions of which something is held that
// decrypts data, in the order of their key_ids.
func (s *Snapshot) Withheld() []Withheld {
	var list []Withheld
	for _, id := range slices.Sorted(maps.Keys(s.recoverable)) {
		list = append(list, s.withheld[id])
	}
	return list
}

// Settled reports whether what is held, or that nothing is, is to replace what was
// saved. A plugin that has learned nothing leaves alone a saved state that it could not
// use: a plugin of the version that saved it may have to come back. A refusal is no
// reason to erase it, unless OnRefusal is Drop.
func (s *Snapshot) Settled() bool {
	return s.Health.EverGood || s.erased || s.Health.key.confirmed && s.OnRefusal == Drop
}

// Shape is a text that changes whenever what is held changes.
func (s *Snapshot) Shape() string {
	return fmt.Sprintln(s.Choice.Version, s.Choice.Next, s.Choice.At, s.resumed, s.Key.Latest, s.Key.MinDecryption,
		s.Key.MinEncryption, slices.Sorted(maps.Keys(s.versions)), s.withheld) // maps are printed in order
}
