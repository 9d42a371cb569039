package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// fakeAuth is an auth method that does as it is told, so that a token's whole
// life can be seen in stopped time.
type fakeAuth struct {
	mu      sync.Mutex
	next    grant
	renewed func(n int) (grant, error)
	err     error
	delay   time.Duration
	isStale bool

	logins, renewals int
	at               []time.Time // of each login
}

func (f *fakeAuth) login(ctx context.Context) (grant, error) {
	f.mu.Lock()
	f.logins++
	f.at = append(f.at, time.Now())
	g, err, delay := f.next, f.err, f.delay
	g.token = fmt.Sprintf("token-%d", f.logins)
	f.mu.Unlock()
	select {
	case <-time.After(delay):
		f.mu.Lock()
		defer f.mu.Unlock()
		f.isStale = f.isStale && err != nil
		return g, err
	case <-ctx.Done():
		return grant{}, Unanswered("log in", ctx.Err())
	}
}

func (f *fakeAuth) stale() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.isStale
}

func (f *fakeAuth) renew(context.Context, string) (grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewals++
	return f.renewed(f.renewals)
}

func (f *fakeAuth) counts() (logins, renewals int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins, f.renewals
}

// keep runs a test on a tokenManager in a bubble of stopped time, run included. What
// prepare changes of the tokenManager is changed before anything of it runs.
func keep(t *testing.T, f *fakeAuth, test func(t *testing.T, m *tokenManager), prepare ...func(m *tokenManager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := newTokenManager(ctx, f, f.renew, slog.New(slog.NewTextHandler(t.Output(), nil)), noObserver{})
		for _, p := range prepare {
			p(m)
		}
		var running sync.WaitGroup
		running.Go(func() { m.run(ctx) })
		synctest.Wait()
		test(t, m)
		cancel()
		m.shut()
		m.finish()
		running.Wait()
	})
}

var errRefused = &backend.Error{Class: backend.Credentials, Op: "log in", Reason: "refused"}
var errAway = &backend.Error{Class: backend.Outage, Op: "log in", Reason: "away"}

func TestATokenIsRenewedAtTwoThirdsOfItsLife(t *testing.T) {
	f := &fakeAuth{next: grant{ttl: time.Hour, renewable: true}}
	f.renewed = func(int) (grant, error) { return grant{ttl: time.Hour, renewable: true}, nil }
	keep(t, f, func(t *testing.T, m *tokenManager) {
		time.Sleep(35 * time.Minute) // two thirds less a tenth are 36 min
		if _, renewals := f.counts(); renewals != 0 {
			t.Errorf("%d renewals before two thirds of the hour", renewals)
		}
		time.Sleep(6 * time.Minute)
		if _, renewals := f.counts(); renewals != 1 {
			t.Errorf("%d renewals after 41 min, want 1", renewals)
		}
		time.Sleep(24 * time.Hour)
		if logins, renewals := f.counts(); logins != 1 || renewals < 36 || renewals > 42 {
			t.Errorf("%d logins and %d renewals in a day, want 1 and about 38", logins, renewals)
		}
	})
}

func TestATokenAtTheEndOfItsMaximumLifeIsReplacedInTime(t *testing.T) {
	// 20 min at a time, 30 min in all, as Vault grants it.
	var start time.Time
	f := &fakeAuth{next: grant{ttl: 20 * time.Minute, renewable: true}}
	f.renewed = func(int) (grant, error) {
		left := 30*time.Minute - time.Since(start)
		return grant{ttl: min(20*time.Minute, left), renewable: true}, nil
	}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		start = time.Now()
		for range 29 * 6 {
			time.Sleep(10 * time.Second)
			m.mu.Lock()
			expired := m.current.expired(time.Now())
			m.mu.Unlock()
			if expired {
				t.Fatal("the token expired before it was replaced")
			}
		}
		if logins, renewals := f.counts(); logins != 2 || renewals > 4 {
			t.Errorf("%d logins and %d renewals, want 2 and a few", logins, renewals)
		}
	})
}

func TestWhenATokenIsReplacedAndWhenRenewed(t *testing.T) {
	hour := grant{ttl: time.Hour, renewable: true}
	for _, row := range []struct {
		name             string
		next             grant
		renewed          func(n int) (grant, error)
		after            time.Duration
		logins, renewals int
	}{
		{"one that cannot be renewed, such as a batch token", grant{ttl: 15 * time.Minute}, nil, 11 * time.Minute, 2, 0},
		{"its renewal is refused", hour, func(int) (grant, error) { return grant{}, errRefused }, 41 * time.Minute, 2, 1},
		{"an outage during its renewal", hour, func(n int) (grant, error) {
			if n < 4 {
				return grant{}, errAway
			}
			return hour, nil
		}, 42 * time.Minute, 1, 4},
		{"one without end", grant{}, nil, 1000 * time.Hour, 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &fakeAuth{next: row.next, renewed: row.renewed}
			keep(t, f, func(t *testing.T, _ *tokenManager) {
				time.Sleep(row.after)
				if logins, renewals := f.counts(); logins != row.logins || renewals != row.renewals {
					t.Errorf("%d logins, %d renewals, want %d and %d", logins, renewals, row.logins, row.renewals)
				}
			})
		})
	}
}

func TestAChangedTokenFileIsReadWithinSeconds(t *testing.T) {
	f := &fakeAuth{}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		f.mu.Lock()
		f.isStale = true
		f.mu.Unlock()
		time.Sleep(filePoll + time.Millisecond)
		if logins, _ := f.counts(); logins != 2 {
			t.Errorf("%d logins, want 2", logins)
		}
	})
}

func TestAChangedFileThatIsOfNoUseIsTriedAgainAndTheTokenKeptAliveMeanwhile(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"a long life": time.Hour, "one about as short as the longest pause": 50 * time.Second} {
		t.Run(name, func(t *testing.T) {
			f := &fakeAuth{next: grant{ttl: ttl, renewable: true}}
			f.renewed = func(int) (grant, error) { return f.next, nil }
			keep(t, f, func(t *testing.T, m *tokenManager) {
				set := func(stale bool, err error) {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.isStale, f.err = stale, err
				}
				const away = 3 * time.Hour
				set(true, errAway)
				for range away / time.Second {
					time.Sleep(time.Second)
					m.mu.Lock()
					expired := m.current.expired(time.Now())
					m.mu.Unlock()
					if expired {
						t.Fatal("the token expired")
					}
				}
				if logins, _ := f.counts(); logins < int(away/renewRetryMax) || logins > int(2*away/renewRetryMax) {
					t.Errorf("%d logins in %v", logins, away)
				}
				set(true, nil)
				time.Sleep(renewRetryMax + time.Second)
				logins, _ := f.counts()
				if s, err := m.get(t.Context()); err != nil || f.stale() || s.token != fmt.Sprintf("token-%d", logins) {
					t.Errorf("the file is forgotten: %v, %v", s, err)
				}
			})
		})
	}
}

func TestAllWhoAreRefusedCauseOneLogin(t *testing.T) {
	f := &fakeAuth{delay: 100 * time.Millisecond}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		time.Sleep(time.Second)
		old, err := m.get(t.Context())
		must(t, err)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond) // some after the new login
				s, err := m.replace(t.Context(), old)
				if err != nil || s.token != "token-2" {
					t.Errorf("got %v, %v", s, err)
				}
			})
		}
		wg.Wait()
		if logins, _ := f.counts(); logins != 2 {
			t.Errorf("%d logins, want 2", logins)
		}
	})
}

func TestFailedLoginsArePacedHoweverManyAsk(t *testing.T) {
	f := &fakeAuth{err: errRefused}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		for range 1000 { // ten seconds of them
			if _, err := m.get(t.Context()); !errors.Is(err, error(errRefused)) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if logins, _ := f.counts(); logins < 9 || logins > 13 {
			t.Errorf("%d logins in 10 s, want about one a second", logins)
		}
	})
}

func TestFailedLoginsInTheBackgroundBecomeRarer(t *testing.T) {
	f := &fakeAuth{err: errAway}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		time.Sleep(10 * time.Minute)
		if logins, _ := f.counts(); logins < 15 || logins > 30 {
			t.Errorf("%d logins in 10 min, want about 24", logins)
		}
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()
		time.Sleep(loginPause) // the background may have tried in the last moment
		start := time.Now()
		if s, err := m.get(t.Context()); err != nil || s == nil || time.Since(start) != 0 {
			t.Errorf("a request does not log in at once: %v after %v", err, time.Since(start))
		}
	})
}

func TestAnExpiredTokenIsNotUsed(t *testing.T) {
	f := &fakeAuth{next: grant{ttl: 10 * time.Second}}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		f.mu.Lock()
		f.err = errAway
		f.mu.Unlock()
		time.Sleep(11 * time.Second)
		_, err := m.get(t.Context())
		if backend.ClassOf(err) != backend.Outage || err == nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestACallerLeavesALoginThatHangsAndTheNextOneJoinsIt(t *testing.T) {
	f := &fakeAuth{delay: 3 * time.Second}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if s, err := m.get(t.Context()); err != nil || s.token != "token-1" {
			t.Errorf("got %v, %v", s, err)
		}
	})
}

func TestALoginThatNeverEndsIsEnded(t *testing.T) {
	f := &fakeAuth{delay: time.Hour}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		start := time.Now()
		_, err := m.get(t.Context())
		if backend.ClassOf(err) != backend.Outage || err == nil || time.Since(start) > loginTimeout {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// TestATokensLifeCountsFromBeforeItsAnswer has a login that takes long, as one does
// at a Vault or on a machine that is busy.
func TestATokensLifeCountsFromBeforeItsAnswer(t *testing.T) {
	f := &fakeAuth{next: grant{ttl: time.Minute}, delay: 5 * time.Second}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		began := time.Now()
		s, err := m.get(t.Context())
		must(t, err)
		if left := s.expires.Sub(began); left > time.Minute {
			t.Errorf("it is used for %v after its login began, and lives for a minute", left)
		}
	})
}

func TestATokensLifeCountsFromBeforeTheAnswerToItsRenewal(t *testing.T) {
	f := &fakeAuth{next: grant{ttl: time.Minute, renewable: true}}
	f.renewed = func(int) (grant, error) {
		time.Sleep(5 * time.Second)
		return grant{ttl: time.Minute, renewable: true}, nil
	}
	keep(t, f, func(t *testing.T, m *tokenManager) {
		s, err := m.get(t.Context())
		must(t, err)
		began := time.Now()
		next, err := m.renew(t.Context(), s)
		must(t, err)
		if left := next.expires.Sub(began); left > time.Minute {
			t.Errorf("it is used for %v after its renewal began, and lives for a minute", left)
		}
	})
}

func TestALoginThatFailsForOneReasonIsWarnedOfOnce(t *testing.T) {
	f := &fakeAuth{err: errRefused}
	var log bytes.Buffer
	keep(t, f, func(t *testing.T, m *tokenManager) {
		m.log = slog.New(slog.NewTextHandler(&log, nil))
		warned := func(err error, want int, what string) {
			t.Helper()
			log.Reset()
			f.mu.Lock()
			f.err = err
			f.mu.Unlock()
			for range 10 {
				time.Sleep(2 * loginPause)
				_, _ = m.get(t.Context())
			}
			if got := strings.Count(log.String(), "level=WARN"); got != want {
				t.Errorf("%s: %d warnings, want %d: %s", what, got, want, log.String())
			}
		}
		warned(errRefused, 0, "it was said when this one began")
		warned(errAway, 1, "another reason")
		warned(errRefused, 1, "and back")
		f.mu.Lock()
		f.next = grant{ttl: time.Second}
		f.mu.Unlock()
		warned(nil, 0, "it succeeds")
		warned(errRefused, 1, "the same reason, after a success")
	})
}
