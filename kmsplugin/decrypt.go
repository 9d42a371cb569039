package kmsplugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// Decrypt returns the DEK seed that Encrypt, or another Transit plugin with the same
// key, has wrapped. It asks a key store only for what is not held.
func (s *Service) Decrypt(ctx context.Context, uid string, req *service.DecryptRequest) ([]byte, error) {
	stored, err := envelope.Parse(req.KeyID, req.Ciphertext, req.Annotations)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(stored); err != nil {
		return nil, err
	}
	seed, err := s.unwrapSeed(backend.WithCaller(ctx, uid), stored)
	if _, ok := errors.AsType[*backend.Error](err); ok {
		return nil, &unwrapError{stored, err}
	}
	return seed, err
}

// authorize refuses what must not be decrypted here, even if a key could.
func (s *Service) authorize(stored envelope.Stored) error {
	if stored.Form == envelope.FormUnbound {
		s.metrics.unbound.Inc()
		if s.config.Decrypt.RequireAssociatedData {
			return errUnboundForbidden
		}
		return nil
	}
	if c := stored.Binding.Cluster; c != s.config.Cluster && !slices.Contains(s.config.AcceptClusters, c) {
		return fmt.Errorf("%w: it was sealed for %q, this is %q; if the cluster was renamed, list the old name in accept-clusters", errOtherCluster, clip(c), s.config.Cluster)
	}
	return nil
}

// unwrapSeed returns the seed, with what is held if possible: a local KEK that was
// derived, or what was unwrapped before. Otherwise a key store unwraps it, or the local
// KEK beside it, and that is held from then on.
func (s *Service) unwrapSeed(ctx context.Context, stored envelope.Stored) ([]byte, error) {
	keys, err := s.keysFor(stored)
	if err != nil {
		return nil, err
	}
	now := s.boot()
	if stored.Form != envelope.FormLocal {
		if seed, ok := s.cache.seed(stored, keys.usable(now)); ok {
			return seed, nil
		}
		seed, from, err := s.unwrap(ctx, keys, stored)
		if err != nil {
			return nil, err
		}
		s.cache.addSeed(stored, origin{from.source, from.keyID, now}, seed)
		return seed, nil
	}
	for _, k := range keys {
		if kek := k.snap.LocalKEK(stored, now); kek != nil {
			return kek.Unwrap(stored)
		}
	}
	if kek := s.cache.kek(stored, keys.usable(now)); kek != nil && kek.Fingerprint() == stored.Fingerprint {
		return kek.Unwrap(stored)
	}
	bytes, from, err := s.unwrap(ctx, keys, stored)
	if err != nil {
		return nil, err
	}
	defer clear(bytes)
	kek, err := envelope.NewLocalKEK(bytes)
	if err != nil {
		return nil, err
	}
	if kek.Fingerprint() != stored.Fingerprint {
		return nil, fmt.Errorf("%w (annotation %s holds another local key)", envelope.ErrAuthentication, transit.AnnotationKEK)
	}
	s.cache.addKEK(stored, origin{from.source, from.keyID, now}, kek, bytes)
	return kek.Unwrap(stored)
}

// candidateKey is a key that may unwrap a stored seed, and what is known of it now.
type candidateKey struct {
	*source
	snap *keystate.Snapshot
	// keyID is the version that would unwrap it, as far as this key knows.
	keyID string
}

type candidateKeys []candidateKey

// keysFor returns the keys that may unwrap a stored seed, in the order in which to try
// them. They are those that know the stored key_id, of which there are two where one key
// is in two Vaults. If no key knows it (the mount was moved, the key restored, or another
// plugin wrote it), any key may be the one. A key that refuses is left out; if that leaves
// none, its refusal is the error.
func (s *Service) keysFor(stored envelope.Stored) (candidateKeys, error) {
	var known, all candidateKeys
	for _, src := range s.sources {
		snap := src.monitor.Snapshot()
		k := candidateKey{source: src, snap: snap, keyID: snap.KeyIDOf(stored)}
		all = append(all, k)
		if k.keyID == stored.Binding.KeyID {
			known = append(known, k)
		}
	}
	if len(known) == 0 {
		known = all
	}
	var keys candidateKeys
	var refused error
	for _, k := range known {
		if err := k.snap.Refusal(k.keyID, stored.Version); err == nil {
			keys = append(keys, k)
		} else if refused == nil {
			refused = err
		}
	}
	if len(keys) == 0 {
		return nil, refused
	}
	return keys, nil
}

// usable says whether something in the unwrap cache may be used: the key that unwrapped
// it must be one of keys, and must allow it.
func (keys candidateKeys) usable(now time.Duration) func(origin) bool {
	return func(o origin) bool {
		i := slices.IndexFunc(keys, func(k candidateKey) bool { return k.source == o.source })
		return i >= 0 && keys[i].snap.UsableSince(o.keyID, o.at, now)
	}
}

// unwrap asks the key stores to unwrap what Transit wrapped of a stored seed, one after
// the other, until one can. It returns which one did. Each attempt takes its share of the
// time, so that a Vault that hangs leaves some for the others.
func (s *Service) unwrap(ctx context.Context, keys candidateKeys, stored envelope.Stored) ([]byte, candidateKey, error) {
	var worst error
	for i, k := range keys {
		data, err := k.unwrap(ctx, len(keys)-i, stored)
		if err == nil {
			return data, k, nil
		}
		now := s.boot()
		if ended := k.snap.LeaseError(now); ended != nil && backend.ClassOf(err) == backend.Outage {
			err = ended
		}
		// That one key cannot unwrap it says nothing while another could not be asked.
		if worst == nil || backend.ClassOf(err) == backend.Outage && backend.ClassOf(worst) != backend.Outage {
			worst = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, candidateKey{}, worst
}

// unwrap is one of n attempts that follow each other.
func (k candidateKey) unwrap(ctx context.Context, n int, stored envelope.Stored) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok && n > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
		defer cancel()
	}
	data, err := k.ask(ctx, func() ([]backend.Result, error) {
		return k.backend.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: stored.Wrapped, AssociatedData: stored.AssociatedData()}})
	})
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w", err)
	}
	return data, nil
}
