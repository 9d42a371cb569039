package client

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// loginTimeout ends a login, which goes on after its callers have left.
	loginTimeout = 8 * time.Second
	// loginPause is the least time between a failed login and the next one,
	// however many requests ask for it meanwhile.
	loginPause = time.Second
	// refusedPauseMax bounds the growing pause after logins whose tokens were
	// refused before they had served. Some of those Vault keeps until they expire.
	refusedPauseMax = time.Minute
)

// grant is what Vault gives at a login or a renewal.
type grant struct {
	token     string
	ttl       time.Duration // 0: it does not expire
	renewable bool
	// own is set where this process has logged in for the token and Vault can
	// revoke it: not for a token from a file, and not for a batch token.
	own bool
	// lookedUp is set where the login was the token's look-up of itself.
	lookedUp bool
}

// authenticator is one way of getting a token.
type authenticator interface {
	// login gets a token that Vault has just confirmed. Its errors are
	// *backend.Error of class Credentials or Outage.
	login(ctx context.Context) (grant, error)
	// stale reports, cheaply, that what the last login that succeeded had read
	// has changed since.
	stale() bool
}

// tokenManager holds the one token that all requests use, and keeps it alive. It
// never logs in twice at once.
type tokenManager struct {
	auth      authenticator
	renewSelf func(ctx context.Context, token string) (grant, error)
	// revoke ends a token that is not used any more.
	revoke func(ctx context.Context, s *session)
	// lookUp has a token look itself up.
	lookUp func(ctx context.Context, token string) error
	log    *slog.Logger
	obs    Observer

	// changed wakes run when a request has logged in meanwhile.
	changed chan struct{}
	// life ends with Close. A login ends with it, not with the callers who wait.
	life context.Context
	wg   sync.WaitGroup
	// revoking are the revocations under way.
	revoking sync.WaitGroup

	mu       sync.Mutex
	current  *session
	logins   uint64
	attempt  *attempt // under way
	failed   error    // the last attempt's error, nil after a success
	failedAt time.Time
	pause    time.Duration
	useless  int        // logins in a row whose tokens were refused at once
	reported string     // the reason last logged, so that it is logged once
	blind    bool       // the token may not look itself up
	retired  []*session // whose tokens are still in use
	closed   bool
}

// attempt is one login that any number of callers wait for.
type attempt struct {
	done    chan struct{}
	session *session
	err     error
}

func newTokenManager(life context.Context, auth authenticator, renew func(context.Context, string) (grant, error), log *slog.Logger, obs Observer) *tokenManager {
	return &tokenManager{
		auth: auth, renewSelf: renew, log: log, obs: obs, changed: make(chan struct{}, 1), life: life,
		revoke: func(context.Context, *session) {}, lookUp: func(context.Context, string) error { return nil },
	}
}

// get returns a usable session, logging in if there is none.
func (m *tokenManager) get(ctx context.Context) (*session, error) {
	m.mu.Lock()
	if s := m.current; s != nil && !s.expired(time.Now()) {
		m.mu.Unlock()
		return s, nil
	}
	return m.wait(ctx, m.start())
}

// replace returns a session newer than s. However many callers ask for it, there
// is one login.
func (m *tokenManager) replace(ctx context.Context, s *session) (*session, error) {
	m.mu.Lock()
	if now := m.current; now != nil && now.login != s.login {
		m.mu.Unlock()
		return now, nil
	}
	return m.wait(ctx, m.start())
}

// start joins the login under way, or begins one; m.mu is held, and released.
func (m *tokenManager) start() *attempt {
	defer m.mu.Unlock()
	if m.attempt != nil {
		return m.attempt
	}
	a := &attempt{done: make(chan struct{})}
	if m.closed {
		a.err = Unanswered("log in to Vault", ErrClosed)
		close(a.done)
		return a
	}
	if m.failed != nil && time.Since(m.failedAt) < m.pause {
		// The last attempt has just failed. Asking again at once would only add
		// to Vault's load, and lock out a role that counts failures.
		a.err = m.failed
		close(a.done)
		return a
	}
	m.attempt = a
	m.wg.Go(func() { m.login(a) })
	return a
}

func (m *tokenManager) wait(ctx context.Context, a *attempt) (*session, error) {
	select {
	case <-a.done:
		return a.session, a.err
	case <-ctx.Done():
		return nil, Unanswered("log in to Vault", ctx.Err())
	}
}

func (m *tokenManager) login(a *attempt) {
	ctx, cancel := context.WithTimeout(m.life, loginTimeout)
	defer cancel()
	began := time.Now() // Vault counts a token's life from before its answer is here
	g, err := m.auth.login(ctx)

	m.mu.Lock()
	if err != nil {
		a.err = err
		m.failed, m.failedAt, m.pause = err, time.Now(), jitter(loginPause)
		// The old session stays: where only the login is out of reach, its
		// token may still serve.
	} else {
		m.logins++
		a.session = newSession(g, m.logins, began)
		m.retire(m.current)
		m.current, m.failed = a.session, nil
	}
	m.attempt = nil
	m.mu.Unlock()

	m.report(a)
	close(a.done)
	if a.err != nil {
		return
	}
	m.wg.Go(func() { m.noteSelfLookup(a.session, g.lookedUp) })
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *tokenManager) report(a *attempt) {
	if a.err == nil {
		m.mu.Lock()
		m.reported = ""
		m.mu.Unlock()
		m.log.Info("logged in to Vault", "ttl", a.session.ttl, "renewable", a.session.renewable)
		m.obs.Token(a.session.expires, a.session.renewable)
		return
	}
	if m.life.Err() != nil {
		return
	}
	m.mu.Lock()
	reason := backend.ReasonOf(a.err)
	level := slog.LevelDebug
	if reason != m.reported {
		level, m.reported = slog.LevelWarn, reason
	}
	m.mu.Unlock()
	m.log.Log(context.Background(), level, "login to Vault failed", "class", backend.ClassOf(a.err).String(), "error", a.err)
}

// shut allows no further login.
func (m *tokenManager) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

// finish waits for a login under way, which the end of life cancels.
func (m *tokenManager) finish() { m.wg.Wait() }
