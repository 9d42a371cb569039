package vaultbackend

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// acquire is get for a request: the token is not revoked before release.
func (k *keeper) acquire(ctx context.Context) (*session, error) {
	for {
		s, err := k.get(ctx)
		if err != nil {
			return nil, err
		}
		if k.hold(s) {
			return s, nil
		}
	}
}

// hold reports whether s may still be used, and counts that.
func (k *keeper) hold(s *session) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.use.retired != nil {
		return false
	}
	s.use.requests++
	return true
}

// release ends the use of a session. accepted is set where Vault has shown that
// it accepts the token.
func (k *keeper) release(s *session, accepted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.use.requests--
	if accepted && !s.use.proved {
		s.use.proved, k.useless = true, 0
		if k.current != nil && k.current.login == s.login {
			k.failed = nil // it is accepted after all
		}
	}
	k.end(s.use)
}

// refused is acquire for a request whose token Vault has refused. A token that was
// refused before it had served counts as a login that failed when it was made:
// what refuses the one would refuse the next, so logins become rarer. The refused
// one stays in use meanwhile, for it may be accepted again.
func (k *keeper) refused(ctx context.Context, s *session, why error) (*session, error) {
	k.mu.Lock()
	if k.current == nil || k.current.login == s.login {
		s.use.gone = s.use.gone || errors.Is(why, errTokenGone)
		switch {
		case s.use.proved:
			k.useless = 0
		case k.failed == nil:
			k.pause = jitter(min(loginPause<<min(k.useless, 10), refusedPauseMax))
			k.failed, k.failedAt = why, s.confirmed
			k.useless++
		}
	}
	k.mu.Unlock()
	if _, err := k.replace(ctx, s); err != nil {
		return nil, err
	}
	return k.acquire(ctx)
}

// retire makes s one that another has taken the place of; k.mu is held.
func (k *keeper) retire(s *session) {
	if s == nil {
		return
	}
	s.use.retired = s
	k.retired = append(k.retired, s)
	k.end(s.use)
}

// end revokes a token that was replaced and that no request uses any more, where
// Vault may still accept it; k.mu is held.
func (k *keeper) end(u *use) {
	s := u.retired
	if s == nil || u.requests > 0 || k.closed {
		return
	}
	k.retired = slices.DeleteFunc(k.retired, func(r *session) bool { return r == s })
	if !s.revocable() {
		return
	}
	k.revoking.Go(func() {
		ctx, cancel := context.WithTimeout(k.life, loginTimeout)
		defer cancel()
		k.revoke(ctx, s)
	})
}

// revocable reports whether the token is this process's to revoke.
func (s *session) revocable() bool {
	return s.own && !s.use.gone && !s.expired(time.Now())
}

// own hands over the sessions whose tokens are this process's to revoke. The
// keeper has none from then on.
func (k *keeper) own() []*session {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.retired
	if k.current != nil {
		all = append(all, k.current)
	}
	k.current, k.retired = nil, nil
	return slices.DeleteFunc(all, func(s *session) bool { return !s.revocable() })
}

// settle waits for the revocations under way, until ctx ends. None begins after
// shut.
func (k *keeper) settle(ctx context.Context) {
	done := make(chan struct{})
	k.wg.Go(func() { k.revoking.Wait(); close(done) })
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// recognise notes whether the token of a login may look itself up. Without that
// a refusal of the key cannot be told from that of the token.
func (k *keeper) recognise(s *session, lookedUp bool) {
	if !k.hold(s) {
		return
	}
	var err error
	if !lookedUp {
		ctx, cancel := context.WithTimeout(k.life, loginTimeout)
		err = k.lookUp(ctx, s.token)
		cancel()
	}
	k.release(s, false)
	if err != nil && (backend.ClassOf(err) != backend.Credentials || errors.Is(err, errTokenGone)) {
		return // nothing is known of the policy
	}
	k.mu.Lock()
	changed := k.blind != (err != nil)
	k.blind = err != nil
	k.mu.Unlock()
	k.obs.SelfLookup(err == nil)
	switch {
	case !changed:
	case err != nil:
		k.log.Warn("the Vault token may not look itself up: that the key is refused cannot be recognised; add auth/token/lookup-self to the policy", "error", err)
	default:
		k.log.Info("the Vault token may look itself up again")
	}
}
