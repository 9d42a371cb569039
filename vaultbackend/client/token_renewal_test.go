package client

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestARenewalDoesNotPutAnOlderTokenInThePlaceOfANewerOne has Vault refuse a
// token, for which a request logs in again, while its renewal is under way.
func TestARenewalDoesNotPutAnOlderTokenInThePlaceOfANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuth{next: grant{ttl: time.Hour, renewable: true}}
		started, answer := make(chan struct{}), make(chan struct{})
		renew := func(context.Context, string) (grant, error) {
			close(started)
			<-answer
			return grant{ttl: time.Hour, renewable: true}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		m := newTokenManager(ctx, f, renew, slog.New(slog.NewTextHandler(t.Output(), nil)), noObserver{})
		var running sync.WaitGroup
		running.Go(func() { m.run(ctx) })
		<-started
		old, err := m.get(t.Context())
		must(t, err)
		_, err = m.replace(t.Context(), old)
		must(t, err)
		close(answer)
		synctest.Wait()
		if s, err := m.get(t.Context()); err != nil || s.token != "token-2" {
			t.Errorf("requests go out with %+v, %v, and not with the newer token", s, err)
		}
		cancel()
		m.shut()
		m.finish()
		running.Wait()
	})
}
