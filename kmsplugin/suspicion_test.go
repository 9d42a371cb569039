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
	s.fails(keyRefused())
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
				r.mustNotEncrypt(codes.PermissionDenied, "not confirmed yet")
				w.store.fails(vaultGone())
				time.Sleep(20 * time.Hour)
				r.mustEncrypt("an API server that restarts asks for this")
				w.store.fails(nil)
				time.Sleep(time.Minute)
				r.suspect(w.store)
				w.store.fails(vaultGone())
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

func TestARefusalIsConfirmedOverANewConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		probes := make(chan bool, 100) // which of them wanted a new connection
		r, _ := w.faultyReplica(faulty{request: func(ctx context.Context, op string, _ int) error {
			if op == "read" {
				probes <- backend.NewConnection(ctx)
			}
			return nil
		}})
		fresh := func() (all []bool) {
			for len(probes) > 0 {
				all = append(all, <-probes)
			}
			return all
		}
		time.Sleep(time.Minute)
		if before := fresh(); slices.Contains(before, true) {
			t.Errorf("new connections while nothing is wrong: %v", before)
		}
		r.suspect(w.store)
		time.Sleep(6 * time.Second)
		wants(t, r.statusErr(), codes.PermissionDenied)
		if after := fresh(); !slices.Equal(after, []bool{false, true}) {
			t.Errorf("new connections: %v, want one for the second probe", after)
		}
	})
}
