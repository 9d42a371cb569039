package kmsplugin

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// suspect has the key store refuse until one probe has met it.
func (r *replica) suspect(s *fakeStore) {
	s.set(func(s *fakeStore) { s.fail = keyRefused() })
	for !r.suspended() {
		time.Sleep(100 * time.Millisecond)
	}
}

func TestASuspicionDoesNotOutliveAnOutage(t *testing.T) {
	for _, onRefusal := range []string{RefusalWithhold, RefusalDrop} {
		t.Run(onRefusal, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				r := w.replica(func(c *Config) { c.OnRefusal = onRefusal })
				e := r.mustEncrypt("seed")
				r.suspect(w.store)
				_, err := r.encrypt("x")
				wants(t, err, codes.PermissionDenied, "not confirmed yet")
				w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
				time.Sleep(20 * time.Hour)
				r.mustEncrypt("an API server that restarts asks for this")
				w.store.set(func(s *fakeStore) { s.fail = nil })
				time.Sleep(time.Minute)
				r.suspect(w.store)
				w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
				time.Sleep(10 * time.Second)
				r.mustDecrypt(e, "seed")
				r.mustEncrypt("y")
			})
		})
	}
}

func TestASuspicionEndsByTimeAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		r.mustEncrypt("x")
		r.suspect(w.store)
		release := make(chan struct{})
		defer close(release)
		var once sync.Once
		w.store.set(func(s *fakeStore) { s.onCall = func(string) { once.Do(func() { <-release }) } }) // no probe comes back
		time.Sleep(50 * time.Second)
		if _, err := r.encrypt("x"); err == nil {
			t.Error("sealed while a refusal is suspected")
		}
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
	})
}

func TestARehearsalNeitherEndsNorConfirmsARefusal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		r.mustEncrypt("x")
		r.suspect(w.store)
		_, stop, err := r.kms.rehearsal.begin(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if err := r.statusErr(); err != nil {
			t.Errorf("a rehearsal has confirmed a refusal: %v", err)
		}
		if _, err := r.encrypt("x"); err == nil {
			t.Error("a rehearsal has ended a suspicion")
		}
		stop()
		time.Sleep(6 * time.Second)
		wants(t, r.statusErr(), codes.PermissionDenied)
		if _, _, err := r.kms.rehearsal.begin(time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		wants(t, r.statusErr(), codes.PermissionDenied, "permission denied on the key")
	})
}

// connections notes which probes wanted a new connection.
type connections struct {
	fakeClient
	mu    sync.Mutex
	fresh []bool
}

func (c *connections) ReadKey(ctx context.Context) (backend.Key, error) {
	c.mu.Lock()
	c.fresh = append(c.fresh, backend.NewConnection(ctx))
	c.mu.Unlock()
	return c.fakeClient.ReadKey(ctx)
}

// seen returns what was noted since the last call.
func (c *connections) seen() []bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.fresh
	c.fresh = nil
	return fresh
}

func TestARefusalIsConfirmedOverANewConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := &connections{}
		r := w.replicaWith(nil, func(p *Parts) { c.fakeClient = fakeClient{w.store, p.Boot}; p.Writes.Backend = c })
		time.Sleep(time.Minute)
		if fresh := c.seen(); slices.Contains(fresh, true) {
			t.Errorf("new connections while nothing is wrong: %v", fresh)
		}
		r.suspect(w.store)
		time.Sleep(6 * time.Second)
		wants(t, r.statusErr(), codes.PermissionDenied)
		if fresh := c.seen(); !slices.Equal(fresh, []bool{false, true}) {
			t.Errorf("new connections: %v, want one for the second probe", fresh)
		}
	})
}
