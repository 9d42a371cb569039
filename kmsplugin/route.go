package kmsplugin

import (
	"context"
	"fmt"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// route is a key that may open something, and what is known of it now.
type route struct {
	*source
	snap *snapshot
	// keyID is the version that would open it, as far as this key knows.
	keyID string
}

// routes returns the keys that may open sealed, in the order in which to try
// them: those that know the stored key_id, of which there are two where one key
// is in two Vaults; where none does (a moved mount, a restored key, another
// plugin's id), any may be the one. A key that refuses is none of them; if that
// leaves none, its refusal is the error.
func (s *Service) routes(sealed envelope.Stored) ([]route, error) {
	var known, all []route
	for _, src := range s.sources {
		snap := src.keeper.snapshot()
		r := route{source: src, snap: snap, keyID: snap.keyIDOf(sealed)}
		all = append(all, r)
		if r.keyID == sealed.Binding.KeyID {
			known = append(known, r)
		}
	}
	candidates := known
	if len(known) == 0 {
		candidates = all
	}
	var open []route
	var refused error
	for _, r := range candidates {
		if err := r.snap.refusal(r.keyID, sealed); err == nil {
			open = append(open, r)
		} else if refused == nil {
			refused = err
		}
	}
	if len(open) == 0 {
		return nil, refused
	}
	return open, nil
}

// refusal says why nothing of a version is opened, if so.
func (s *snapshot) refusal(keyID string, sealed envelope.Stored) error {
	if s.refused != nil {
		return s.refused
	}
	if w, ok := s.heldBack(keyID); ok {
		return w.err(s.hint(keyID))
	}
	if s.gone[keyID] {
		return &backend.Error{Class: backend.VersionRefusal, Op: "decrypt", Reason: belowMinimum(s.key, sealed.Version, keyID)}
	}
	return nil
}

func belowMinimum(key backend.Key, version int, keyID string) string {
	return fmt.Sprintf("Vault refuses version %d of %s/%s (key_id %s): its minimum was raised above it", version, key.Mount, key.Name, clip(keyID))
}

// unwrap has the key stores open what sealed carries, one after the other, until
// one can. It returns which one did.
func (s *Service) unwrap(ctx context.Context, routes []route, sealed envelope.Stored) ([]byte, route, error) {
	var worst error
	for i, r := range routes {
		data, err := s.unwrapWith(ctx, len(routes)-i, r, sealed)
		if err == nil {
			return data, r, nil
		}
		// That one key cannot open it says nothing while another could not be
		// asked.
		if worst == nil || backend.ClassOf(err) == backend.Outage && backend.ClassOf(worst) != backend.Outage {
			worst = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, route{}, worst
}

// unwrapWith is one of n attempts that follow each other: it takes its share of
// the time, so that a Vault that hangs leaves some for the others.
func (s *Service) unwrapWith(ctx context.Context, n int, r route, sealed envelope.Stored) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok && n > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
		defer cancel()
	}
	var result backend.Result
	err := s.ask(ctx, r.source, func() error {
		results, err := r.backend.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: sealed.Wrapped, AssociatedData: sealed.AssociatedData()}})
		if err == nil {
			result, err = results[0], results[0].Err
		}
		return err
	})
	now := s.boot()
	switch {
	case err == nil:
		return result.Data, nil
	case backend.ClassOf(err) == backend.Outage && r.snap.leaseOver(now):
		return nil, r.snap.leaseError(now)
	default:
		return nil, fmt.Errorf("unwrap: %w", err)
	}
}
