package client

import (
	"cmp"
	"context"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// renewRetryMax bounds the growing pause between background attempts.
	renewRetryMax = 30 * time.Second
	// filePoll is how often a token file is looked at; one stat.
	filePoll = 5 * time.Second
)

// run renews the token, or logs in again, in time, until ctx ends.
func (m *tokenManager) run(ctx context.Context) {
	failures := 0
	for {
		next, err := m.step(ctx)
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() != nil:
			return
		default:
			failures++
			next = jitter(min(loginPause<<min(failures-1, 10), renewRetryMax)) + loginPause/10
			next = min(next, m.untilRenewal())
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-m.changed:
			timer.Stop()
		}
	}
}

// step does what is due, and returns when to look again.
func (m *tokenManager) step(ctx context.Context) (time.Duration, error) {
	m.mu.Lock()
	s := m.current
	m.mu.Unlock()
	now := time.Now()
	var unfit error // why what was put in place does not serve
	if s != nil && !s.expired(now) && m.auth.stale() {
		var next *session
		if next, unfit = m.replace(ctx, s); unfit == nil {
			s = next
		}
		// Otherwise the token that there is has to be kept alive until it does.
	}

	var err error
	switch {
	case s == nil || s.expired(now):
		s, err = m.get(ctx)
	case s.renewAt.IsZero() || now.Before(s.renewAt):
	case s.renewable:
		s, err = m.renew(ctx, s)
	case unfit == nil: // else it has just been tried
		s, err = m.replace(ctx, s)
	}
	if err := cmp.Or(unfit, err); err != nil {
		return 0, err
	}
	next := filePoll
	if !s.renewAt.IsZero() {
		next = min(next, max(time.Until(s.renewAt), 0))
	}
	return next, nil
}

// untilRenewal returns the time until the token that there is has to be renewed.
// It is no reason to hurry where that is overdue.
func (m *tokenManager) untilRenewal() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.current; s != nil {
		if left := time.Until(s.renewAt); left > 0 {
			return left
		}
	}
	return renewRetryMax
}

// renew renews s, and logs in again where Vault does not allow that.
func (m *tokenManager) renew(ctx context.Context, s *session) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	began := time.Now()
	g, err := m.renewSelf(ctx, s.token)
	if err != nil {
		if backend.ClassOf(err) == backend.Credentials {
			m.log.Info("Vault does not renew the token; logging in again", "error", err)
			return m.replace(ctx, s)
		}
		m.log.Warn("renewal of the Vault token failed", "expires", s.expires, "error", err)
		return nil, err
	}
	next := s.renewed(g, began)

	m.mu.Lock()
	switch m.current {
	case s:
		m.current = next
		// The policy may have been changed since the login.
		m.wg.Go(func() { m.noteSelfLookup(next, false) })
	case nil:
		m.mu.Unlock()
		return nil, Unanswered("renew the Vault token", ErrClosed)
	default:
		// A request has logged in meanwhile; its token is the newer one.
		next = m.current
	}
	m.mu.Unlock()
	m.log.Debug("renewed the Vault token", "ttl", g.ttl, "renewable", next.renewable)
	m.obs.Token(next.expires, next.renewable)
	return next, nil
}
