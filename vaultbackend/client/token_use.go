package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// acquire is get for a request: the token is not revoked before release.
func (m *tokenManager) acquire(ctx context.Context) (*session, error) {
	for {
		s, err := m.get(ctx)
		if err != nil {
			return nil, err
		}
		if m.hold(s) {
			return s, nil
		}
	}
}

// hold reports whether s may still be used, and counts that.
func (m *tokenManager) hold(s *session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.use.retired != nil {
		return false
	}
	s.use.requests++
	return true
}

// release ends the use of a session. accepted is set where Vault has shown that
// it accepts the token.
func (m *tokenManager) release(s *session, accepted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.use.requests--
	if accepted && !s.use.proved {
		s.use.proved, m.useless = true, 0
		if m.current != nil && m.current.login == s.login {
			m.failed = nil // it is accepted after all
		}
	}
	m.end(s.use)
}

// refused is acquire for a request whose token Vault has refused. A token that was
// refused before it had served counts as a failed login, at the time of that login:
// Vault would refuse the next token too, so logins become rarer. The refused one
// stays in use meanwhile, since it may be accepted again.
func (m *tokenManager) refused(ctx context.Context, s *session, why error) (*session, error) {
	m.mu.Lock()
	if m.current == nil || m.current.login == s.login {
		s.use.gone = s.use.gone || errors.Is(why, errTokenGone)
		switch {
		case s.use.proved:
			m.useless = 0
		case m.failed == nil:
			m.pause = jitter(min(loginPause<<min(m.useless, 10), refusedPauseMax))
			m.failed, m.failedAt = why, s.confirmed
			m.useless++
		}
	}
	m.mu.Unlock()
	if _, err := m.replace(ctx, s); err != nil {
		return nil, err
	}
	return m.acquire(ctx)
}

// retire takes note that another session has replaced s; m.mu is held.
func (m *tokenManager) retire(s *session) {
	if s == nil {
		return
	}
	s.use.retired = s
	m.retired = append(m.retired, s)
	m.end(s.use)
}

// end revokes a token that was replaced and that no request uses any more, where
// Vault may still accept it; m.mu is held.
func (m *tokenManager) end(u *use) {
	s := u.retired
	if s == nil || u.requests > 0 || m.closed {
		return
	}
	m.retired = slices.DeleteFunc(m.retired, func(r *session) bool { return r == s })
	if !s.revocable() {
		return
	}
	m.revoking.Go(func() {
		ctx, cancel := context.WithTimeout(m.life, loginTimeout)
		defer cancel()
		m.revoke(ctx, s)
	})
}

// revocable reports whether the token is this process's to revoke.
func (s *session) revocable() bool {
	return s.own && !s.use.gone && !s.expired(time.Now())
}

// own hands over the sessions whose tokens are this process's to revoke. The
// tokenManager has none from then on.
func (m *tokenManager) own() []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.retired
	if m.current != nil {
		all = append(all, m.current)
	}
	m.current, m.retired = nil, nil
	return slices.DeleteFunc(all, func(s *session) bool { return !s.revocable() })
}

// settle waits for the revocations under way, until ctx ends. None begins after
// shut.
func (m *tokenManager) settle(ctx context.Context) {
	done := make(chan struct{})
	m.wg.Go(func() { m.revoking.Wait(); close(done) })
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// noteSelfLookup notes whether the token of a login may look itself up. If it may
// not, a refused key cannot be told from a refused token.
func (m *tokenManager) noteSelfLookup(s *session, lookedUp bool) {
	if !m.hold(s) {
		return
	}
	var err error
	if !lookedUp {
		ctx, cancel := context.WithTimeout(m.life, loginTimeout)
		err = m.lookUp(ctx, s.token)
		cancel()
	}
	m.release(s, false)
	if err != nil && (backend.ClassOf(err) != backend.Credentials || errors.Is(err, errTokenGone)) {
		return // nothing is known of the policy
	}
	m.mu.Lock()
	changed := m.blind != (err != nil)
	m.blind = err != nil
	m.mu.Unlock()
	m.obs.SelfLookup(err == nil)
	switch {
	case !changed:
	case err != nil:
		m.log.Warn("the Vault token may not look itself up: a refusal of the key cannot be told from a refusal of the token; add auth/token/lookup-self to the policy", "error", err)
	default:
		m.log.Info("the Vault token may look itself up again")
	}
}
