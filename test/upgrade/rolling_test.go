package upgrade

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/servicemanager"
)

const (
	// upgrades is how often the plugin is replaced, and enough how many calls
	// are made meanwhile, at least.
	upgrades = 4
	enough   = 2000
)

// A lost call is an API server that cannot read a Secret.
func TestARollingUpgradeLosesNoRequest(t *testing.T) {
	s := newStack(t)
	config := s.config("plugin", map[string]any{"keep": "none"})
	var a *cluster.APIServer

	t.Run("by taking the socket over", func(t *testing.T) {
		s.t = t
		start := func(i int) *servicemanager.Manager {
			m := s.manage(fmt.Sprintf("takeover-%d", i), config, func(u *servicemanager.Unit) {
				u.Args = append(u.Args, "--socket-takeover")
			})
			s.check(m.Start(s.ctx))
			return m
		}
		old := start(0)
		a = s.apiServer()
		s.replaceUnderLoad(a, func(i int) {
			next := start(i + 1)
			s.check(old.Stop())
			old = next
		})
		for i, undo := range []func(*servicemanager.Manager) error{(*servicemanager.Manager).Stop, (*servicemanager.Manager).Kill} {
			s.check(undo(start(upgrades + 1 + i)))
			s.check(cluster.Until(s.ctx, caller{s.socket}.status)) // by the one that was replaced
			s.check(cluster.Until(s.ctx, func(ctx context.Context) error {
				status, body, err := a.Health(ctx, "/healthz/kms-providers")
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("the API server says %d: %s", status, body)
				}
				return err
			}))
		}
	})

	t.Run("with a socket that the service manager holds", func(t *testing.T) {
		s.t = t
		m := s.manage("activated", config, s.activated)
		s.check(m.Start(s.ctx))
		s.replaceUnderLoad(a, func(int) { s.check(m.Restart(s.ctx)) })
	})
}

// replaceUnderLoad replaces plugins while raw callers and an API server go on,
// and then reads everything back through an API server that has cached nothing.
func (s *stack) replaceUnderLoad(a *cluster.APIServer, replace func(i int)) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	var l load
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx, caller{s.socket}) })
	written, apiErr := 0, error(nil)
	wg.Go(func() {
		for ctx.Err() == nil && apiErr == nil {
			apiErr = s.secrets.Put(s.ctx, a, namespace, fmt.Sprintf("during-%04d", written%50))
			// What makes an API server ask its plugin.
			if _, _, err := a.Health(s.ctx, "/healthz/kms-providers"); err != nil {
				apiErr = errors.Join(apiErr, err)
			}
			written++
		}
	})
	begin := time.Now()
	for i := range upgrades {
		s.wait(&l, enough*(i+1)/(upgrades+1))
		replace(i)
	}
	s.wait(&l, max(enough, l.count()+100))
	took := time.Since(begin)
	stop()
	wg.Wait()
	s.t.Logf("%d calls, each on a connection of its own, and %d Secrets written during %d upgrades in %v; slowest call %v",
		l.calls, written, upgrades, took.Round(time.Second), l.slowest.Round(time.Millisecond))
	for _, err := range l.lost[:min(len(l.lost), 10)] {
		s.t.Error(err)
	}
	if len(l.lost) > 0 || apiErr != nil || written == 0 {
		s.t.Errorf("%d of %d calls were lost; the API server wrote %d Secrets: %v", len(l.lost), l.calls, written, apiErr)
	}
	s.check(a.Restart(s.ctx))
	s.readAll(a)
}

// wait waits until so many calls were made.
func (s *stack) wait(l *load, calls int) {
	s.t.Helper()
	s.check(cluster.Until(s.ctx, func(context.Context) error {
		if n := l.count(); n < calls {
			return fmt.Errorf("%d calls of %d", n, calls)
		}
		return nil
	}))
}
