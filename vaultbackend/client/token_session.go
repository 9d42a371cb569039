package client

import (
	"math/rand/v2"
	"time"
)

// session is a token and what is known about it. It is never changed, only
// replaced.
type session struct {
	token     string
	login     uint64    // counts logins; a renewal keeps it
	confirmed time.Time // when Vault last accepted the login
	ttl       time.Duration
	expires   time.Time // zero: never
	renewAt   time.Time // zero: never
	// renewable is unset for batch tokens, and once a renewal brought so
	// little that the token is near the end of its maximum life.
	renewable bool
	own       bool // see grant
	use       *use // shared by all sessions of one login
}

// use is what becomes of the token of one login; the tokenManager's mutex guards it.
type use struct {
	requests int  // under way with it
	proved   bool // a request has shown that Vault accepts it
	gone     bool // Vault has said that it does not know it
	// retired is the session once another one has taken its place; else nil.
	retired *session
}

func (s *session) expired(now time.Time) bool {
	return !s.expires.IsZero() && !now.Before(s.expires)
}

func newSession(g grant, login uint64, now time.Time) *session {
	s := &session{token: g.token, login: login, confirmed: now, ttl: g.ttl, renewable: g.renewable, own: g.own, use: &use{}}
	if g.ttl > 0 {
		s.expires = now.Add(g.ttl)
		s.renewAt = now.Add(jitter(g.ttl * 2 / 3))
	}
	return s
}

// renewed returns the session after a renewal that granted g.
func (s *session) renewed(g grant, now time.Time) *session {
	next := newSession(grant{token: s.token, ttl: g.ttl, renewable: g.renewable, own: s.own}, s.login, now)
	// A token that approaches its maximum life is granted less each time.
	// Renewing it further would mean ever more requests until it ends anyway:
	// a new login is due at once, while there is time to try again.
	if g.ttl < s.ttl/2 {
		next.renewable, next.renewAt = false, now
	}
	next.ttl, next.use = max(s.ttl, g.ttl), s.use
	return next
}

// jitter shortens d by up to a tenth, so that replicas which started together
// do not come back together.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/10+1)) //nolint:gosec // spreads load, protects nothing
}
