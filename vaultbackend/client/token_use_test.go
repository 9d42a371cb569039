package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

var errNotAccepted = &backend.Error{Class: backend.Credentials, Op: "read the key", Reason: blindReason}

// try makes one request with the token that there is, as requestKey does.
func (m *tokenManager) try(ctx context.Context, accepts func(token string) bool) error {
	s, err := m.acquire(ctx)
	for tries := 3; err == nil; tries-- {
		good := accepts(s.token)
		m.release(s, good)
		if good {
			return nil
		}
		if tries == 1 {
			return errNotAccepted
		}
		s, err = m.refused(ctx, s, errNotAccepted)
	}
	return err
}

// TestLoginsWhoseTokensAreRefusedBecomeRarer has what an AppRole with
// token_bound_cidrs does: every login succeeds, and no token is good.
func TestLoginsWhoseTokensAreRefusedBecomeRarer(t *testing.T) {
	f := &fakeAuth{next: grant{ttl: time.Hour}}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		none := func(string) bool { return false }
		for range 10 * 60 * 10 {
			if err := m.try(t.Context(), none); backend.ClassOf(err) != backend.Credentials {
				t.Fatalf("got %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		// 1, 2, 4 ... 32 s, then a minute each, all of them up to a tenth less.
		logins, _ := f.counts()
		if logins < 14 || logins > 18 {
			t.Errorf("%d logins in ten minutes of refusals, want about 16", logins)
		}
		before := f.at[logins-1].Sub(f.at[logins-2])
		if before < refusedPauseMax*9/10 || before > refusedPauseMax+time.Second {
			t.Errorf("the last pause was %v, want about %v", before, refusedPauseMax)
		}

		// The token that is held may become good without a login.
		if err := m.try(t.Context(), func(string) bool { return true }); err != nil {
			t.Errorf("a token that is accepted after all: %v", err)
		}
		// It has proved itself, so its end is not a failed login.
		current := fmt.Sprintf("token-%d", logins)
		if err := m.try(t.Context(), func(token string) bool { return token != current }); err != nil {
			t.Errorf("a token that ends after it has served: %v", err)
		}
		if now, _ := f.counts(); now != logins+1 {
			t.Errorf("%d logins, want one more than %d", now, logins)
		}
	})
}

// TestATokenThatIsGoneLongAfterItsLoginIsReplacedAtOnce has one that was never
// used meanwhile.
func TestATokenThatIsGoneLongAfterItsLoginIsReplacedAtOnce(t *testing.T) {
	f := &fakeAuth{}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		time.Sleep(time.Minute)
		if err := m.try(t.Context(), func(token string) bool { return token != "token-1" }); err != nil {
			t.Error(err)
		}
	})
}

func TestAReplacedTokenIsRevokedOnceNoRequestUsesIt(t *testing.T) {
	for _, row := range []struct {
		name    string
		grant   grant
		refusal error // why it is replaced; nil: its file has changed
		want    bool  // it is revoked
	}{
		{"our own", grant{own: true}, nil, true},
		{"our own that may not look itself up", grant{own: true}, errNotAccepted, true},
		{"our own that Vault does not know", grant{own: true}, marked{errNotAccepted, errTokenGone}, false},
		{"our own that has expired", grant{own: true, ttl: 30 * time.Second}, nil, false},
		{"from a file", grant{}, nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &fakeAuth{next: row.grant}
			keep(t, f, func(t *testing.T, m *tokenManager) {
				var mu sync.Mutex
				var tokens []string
				m.revoke = func(_ context.Context, s *session) {
					mu.Lock()
					defer mu.Unlock()
					tokens = append(tokens, s.token)
				}
				revoked := func(token string) bool {
					mu.Lock()
					defer mu.Unlock()
					return slices.Contains(tokens, token)
				}
				long, err := m.acquire(t.Context())
				must(t, err)
				short, err := m.acquire(t.Context())
				must(t, err)
				time.Sleep(15 * time.Second) // it has not just been logged in for
				if row.refusal == nil {
					_, err = m.replace(t.Context(), long)
					must(t, err)
				} else {
					next, err := m.refused(t.Context(), short, row.refusal)
					must(t, err)
					m.release(next, true)
				}
				m.release(short, true)
				synctest.Wait()
				if revoked("token-1") {
					t.Error("revoked under a request")
				}
				time.Sleep(20 * time.Second)
				m.release(long, true)
				synctest.Wait()
				if got := revoked("token-1"); got != row.want {
					t.Errorf("revoked: %v, want %v", got, row.want)
				}
			})
		})
	}
}

// TestWhatIsStillInUseAtTheEndIsHandedOver has a request that lasts longer than
// its token.
func TestWhatIsStillInUseAtTheEndIsHandedOver(t *testing.T) {
	f := &fakeAuth{next: grant{own: true}}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		m.revoke = func(context.Context, *session) { t.Error("revoked by itself") }
		s, err := m.acquire(t.Context())
		must(t, err)
		_, err = m.replace(t.Context(), s)
		must(t, err)
		m.shut()
		m.release(s, true)
		var tokens []string
		for _, s := range m.own() {
			tokens = append(tokens, s.token)
		}
		if !slices.Equal(tokens, []string{"token-1", "token-2"}) {
			t.Errorf("handed over %q", tokens)
		}
	})
}

// TestWhetherATokenMayLookItselfUpIsToldUnlessItIsUnknown tells what is only said
// where Vault has answered for the policy.
func TestWhetherATokenMayLookItselfUpIsToldUnlessItIsUnknown(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"it may", nil, "[true true]"},
		{"it may not", errNotAccepted, "[false false]"},
		{"it is gone already", marked{errNotAccepted, errTokenGone}, "[]"},
		{"no answer", errAway, "[]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			obs := &recorder{}
			keep(t, &fakeAuth{}, func(t *testing.T, m *tokenManager) {
				s, err := m.get(t.Context())
				must(t, err)
				_, err = m.replace(t.Context(), s)
				must(t, err)
				synctest.Wait()
				obs.Lock()
				defer obs.Unlock()
				if got := fmt.Sprint(obs.Lookups); got != row.want {
					t.Errorf("told %s, want %s", got, row.want)
				}
			}, func(m *tokenManager) {
				m.obs = obs
				m.lookUp = func(context.Context, string) error { return row.err }
			})
		})
	}
	if !errors.Is(marked{errNotAccepted, errTokenGone}, errTokenGone) {
		t.Error("a mark is not found")
	}
}

// A policy takes effect at once, and a token may be renewed for ever.
func TestWhetherATokenMayLookItselfUpIsAskedAtEachRenewal(t *testing.T) {
	f := &fakeAuth{next: grant{ttl: time.Hour, renewable: true}}
	f.renewed = func(int) (grant, error) { return grant{ttl: time.Hour, renewable: true}, nil }
	obs := &recorder{}
	var asked atomic.Int32
	keep(t, f, func(t *testing.T, _ *tokenManager) {
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		obs.Lock()
		defer obs.Unlock()
		if got := fmt.Sprint(obs.Lookups); got != "[true false true]" {
			t.Errorf("told %s at the login and two renewals", got)
		}
	}, func(m *tokenManager) {
		m.obs = obs
		m.lookUp = func(context.Context, string) error {
			if asked.Add(1) == 2 {
				return errNotAccepted
			}
			return nil
		}
	})
}
