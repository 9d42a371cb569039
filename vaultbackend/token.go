package vaultbackend

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// loginTimeout ends a login that nobody may be waiting for any more.
	loginTimeout = 8 * time.Second
	// loginPause is the least time between a failed login and the next one,
	// however many requests ask for it meanwhile.
	loginPause = time.Second
	// renewRetryMax bounds the growing pause between background attempts.
	renewRetryMax = 30 * time.Second
	// refusedPauseMax bounds the growing pause after logins whose tokens were
	// refused before they had served. Some of those Vault keeps until they expire.
	refusedPauseMax = time.Minute
	// filePoll is how often a token file is looked at; one stat.
	filePoll = 5 * time.Second
)

// grant is what Vault gives at a login or a renewal.
type grant struct {
	token     string
	ttl       time.Duration // 0: it does not expire
	renewable bool
	// own is set where this process has logged in for the token and Vault can
	// revoke it: not if somebody else put it into a file, and not for a batch
	// token.
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

// keeper holds the one token that all requests use, and keeps it alive.
type keeper struct {
	auth  authenticator
	renew func(ctx context.Context, token string) (grant, error)
	// revoke ends a token that nobody uses any more.
	revoke func(ctx context.Context, s *session)
	// lookUp has a token look itself up.
	lookUp func(ctx context.Context, token string) error
	log    *slog.Logger
	obs    Observer

	// changed wakes run when a request has logged in meanwhile.
	changed chan struct{}
	// life ends with Close; a login belongs to nobody who waits for it.
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

// attempt is one login that any number of requests wait for.
type attempt struct {
	done    chan struct{}
	session *session
	err     error
}

func newKeeper(life context.Context, auth authenticator, renew func(context.Context, string) (grant, error), log *slog.Logger, obs Observer) *keeper {
	return &keeper{
		auth: auth, renew: renew, log: log, obs: obs, changed: make(chan struct{}, 1), life: life,
		revoke: func(context.Context, *session) {}, lookUp: func(context.Context, string) error { return nil },
	}
}

// get returns a usable session, logging in if there is none.
func (k *keeper) get(ctx context.Context) (*session, error) {
	k.mu.Lock()
	if s := k.current; s != nil && !s.expired(time.Now()) {
		k.mu.Unlock()
		return s, nil
	}
	return k.wait(ctx, k.start())
}

// replace returns a session newer than s. However many ask for it, they cause one
// login.
func (k *keeper) replace(ctx context.Context, s *session) (*session, error) {
	k.mu.Lock()
	if now := k.current; now != nil && now.login != s.login {
		k.mu.Unlock()
		return now, nil
	}
	return k.wait(ctx, k.start())
}

// start joins the login under way, or begins one; k.mu is held, and released.
func (k *keeper) start() *attempt {
	defer k.mu.Unlock()
	if k.attempt != nil {
		return k.attempt
	}
	a := &attempt{done: make(chan struct{})}
	if k.closed {
		a.err = unanswered("log in to Vault", errClosed)
		close(a.done)
		return a
	}
	if k.failed != nil && time.Since(k.failedAt) < k.pause {
		// Vault has just said no, or nothing. Asking again at once would only
		// add to its load, and lock out a role that counts failures.
		a.err = k.failed
		close(a.done)
		return a
	}
	k.attempt = a
	k.wg.Go(func() { k.login(a) })
	return a
}

func (k *keeper) wait(ctx context.Context, a *attempt) (*session, error) {
	select {
	case <-a.done:
		return a.session, a.err
	case <-ctx.Done():
		return nil, unanswered("log in to Vault", ctx.Err())
	}
}

func (k *keeper) login(a *attempt) {
	ctx, cancel := context.WithTimeout(k.life, loginTimeout)
	defer cancel()
	began := time.Now() // Vault counts a token's life from before its answer is here
	g, err := k.auth.login(ctx)

	k.mu.Lock()
	if err != nil {
		a.err = err
		k.failed, k.failedAt, k.pause = err, time.Now(), jitter(loginPause)
		// The old session stays: where only the login is out of reach, its
		// token may still serve.
	} else {
		k.logins++
		a.session = newSession(g, k.logins, began)
		k.retire(k.current)
		k.current, k.failed = a.session, nil
	}
	k.attempt = nil
	k.mu.Unlock()

	k.report(a)
	close(a.done)
	if a.err != nil {
		return
	}
	k.wg.Go(func() { k.recognise(a.session, g.lookedUp) })
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

func (k *keeper) report(a *attempt) {
	if a.err == nil {
		k.mu.Lock()
		k.reported = ""
		k.mu.Unlock()
		k.log.Info("logged in to Vault", "ttl", a.session.ttl, "renewable", a.session.prolongable)
		k.obs.Token(a.session.expires, a.session.prolongable)
		return
	}
	if k.life.Err() != nil {
		return
	}
	k.mu.Lock()
	reason := backend.ReasonOf(a.err)
	level := slog.LevelDebug
	if reason != k.reported {
		level, k.reported = slog.LevelWarn, reason
	}
	k.mu.Unlock()
	k.log.Log(context.Background(), level, "login to Vault failed", "class", backend.ClassOf(a.err).String(), "error", a.err)
}

// run renews the token, or logs in again, in time, until ctx ends.
func (k *keeper) run(ctx context.Context) {
	failures := 0
	for {
		next, err := k.step(ctx)
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() != nil:
			return
		default:
			failures++
			next = jitter(min(loginPause<<min(failures-1, 10), renewRetryMax)) + loginPause/10
			next = min(next, k.untilRenewal())
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-k.changed:
			timer.Stop()
		}
	}
}

// step does what is due, and returns when to look again.
func (k *keeper) step(ctx context.Context) (time.Duration, error) {
	k.mu.Lock()
	s := k.current
	k.mu.Unlock()
	now := time.Now()
	var unfit error // why what was put in place does not serve
	if s != nil && !s.expired(now) && k.auth.stale() {
		var next *session
		if next, unfit = k.replace(ctx, s); unfit == nil {
			s = next
		}
		// Otherwise the token that there is has to be kept alive until it does.
	}

	var err error
	switch {
	case s == nil || s.expired(now):
		s, err = k.get(ctx)
	case s.renewAt.IsZero() || now.Before(s.renewAt):
	case s.prolongable:
		s, err = k.prolong(ctx, s)
	case unfit == nil: // else it has just been tried
		s, err = k.replace(ctx, s)
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
func (k *keeper) untilRenewal() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.current; s != nil {
		if left := time.Until(s.renewAt); left > 0 {
			return left
		}
	}
	return renewRetryMax
}

// prolong renews s, and logs in again where Vault does not allow that.
func (k *keeper) prolong(ctx context.Context, s *session) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	began := time.Now()
	g, err := k.renew(ctx, s.token)
	if err != nil {
		if backend.ClassOf(err) == backend.Credentials {
			k.log.Info("Vault does not renew the token; logging in again", "error", err)
			return k.replace(ctx, s)
		}
		k.log.Warn("renewal of the Vault token failed", "expires", s.expires, "error", err)
		return nil, err
	}
	next := s.renewed(g, began)

	k.mu.Lock()
	switch k.current {
	case s:
		k.current = next
		// The policy may have been changed since the login.
		k.wg.Go(func() { k.recognise(next, false) })
	case nil:
		k.mu.Unlock()
		return nil, unanswered("renew the Vault token", errClosed)
	default:
		// A request has logged in meanwhile; its token is the newer one.
		next = k.current
	}
	k.mu.Unlock()
	k.log.Debug("renewed the Vault token", "ttl", g.ttl, "prolongable", next.prolongable)
	k.obs.Token(next.expires, next.prolongable)
	return next, nil
}

// shut allows no further login.
func (k *keeper) shut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}

// finish waits for a login under way, which the end of life cancels.
func (k *keeper) finish() { k.wg.Wait() }
