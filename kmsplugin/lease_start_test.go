package kmsplugin

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/kms/pkg/service"
)

// What is true when Vault is asked may have ended by the time the answer is here.
// These tests use a Vault that takes its time, and clocks that jump.

// slowly makes each request to the store take a while, and notes when the last one
// of an operation was sent.
func (s *fakeStore) slowly(takes time.Duration, boot func() time.Duration) (sent func(op string) time.Duration) {
	var mu sync.Mutex
	at := map[string]time.Duration{}
	s.set(func(s *fakeStore) {
		s.onCall = func(op string) {
			mu.Lock()
			at[op] = boot()
			mu.Unlock()
			time.Sleep(takes)
		}
	})
	return func(op string) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return at[op]
	}
}

func TestALeaseCountsFromTheStartOfTheProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("x")
		sent := w.store.slowly(4*time.Second, r.kms.boot)
		time.Sleep(time.Hour)
		for asked := sent("read"); sent("read") == asked; { // the next probe begins
			time.Sleep(time.Second)
		}
		began := sent("read")
		time.Sleep(20 * time.Second) // and ends
		w.store.set(func(s *fakeStore) { s.onCall, s.fail = nil, vaultGone() })
		end := began + r.kms.config.LocalKEK.Lease
		if got := r.kms.writer().Snapshot().LeaseLeft(e.KeyID, 0); got != end {
			t.Errorf("the lease ends %v after it should", got-end)
		}
		time.Sleep(end - r.kms.boot() - time.Millisecond)
		r.mustDecrypt(e, "x")
		time.Sleep(time.Millisecond)
		r.mustNotDecrypt(e, codes.Unavailable, "lease")
	})
}

func TestTheLeaseOfAVersionThatIsMadeReadyCountsFromTheStartOfTheProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.machines++
		boot := w.boot(100 * time.Hour)
		sent := w.store.slowly(2*time.Second, boot)
		r := w.replicaWith(nil, nil)
		for r.statusErr() != nil {
			time.Sleep(100 * time.Millisecond)
		}
		id := r.mustEncrypt("x").KeyID
		if end, want := r.kms.writer().Snapshot().LeaseLeft(id, 0), sent("read")+24*time.Hour; end != want {
			t.Errorf("the lease ends %v after it should", end-want)
		}
	})
}

func TestTheLeaseOfWhatIsOpenedOnRequestCountsFromTheRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		local := w.replica(nil).mustEncrypt("local")
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		w.store.slowly(2*time.Second, direct.kms.boot)
		asked := direct.kms.boot()
		wrapped := direct.mustEncrypt("direct")
		if _, seeds := direct.kms.cache.checkpoint(direct.kms.sources); len(seeds) != 1 || seeds[0].At != asked {
			t.Errorf("a seed that was wrapped from %v on is leased from then on: %v", asked, seeds)
		}
		w.store.set(func(s *fakeStore) { s.onCall = nil })
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		r := w.replica(nil) // derives nothing for version 1
		w.store.slowly(2*time.Second, r.kms.boot)
		asked = r.kms.boot()
		r.mustDecrypt(local, "local")
		if keks, _ := r.kms.cache.checkpoint(r.kms.sources); len(keks) != 1 || keks[0].At != asked {
			t.Errorf("a local KEK that was asked for at %v is leased from then on: %v", asked, keks)
		}
		asked = r.kms.boot()
		r.mustDecrypt(wrapped, "direct")
		if _, seeds := r.kms.cache.checkpoint(r.kms.sources); len(seeds) != 1 || seeds[0].At != asked {
			t.Errorf("a seed that was asked for at %v is leased from then on: %v", asked, seeds)
		}
	})
}

// A machine that is suspended wakes up with requests before probes.
func TestWhatIsHeldIsNotUsedAfterItsLeaseBeforeTheFirstProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		local := w.replica(nil).mustEncrypt("local")
		wrapped := w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("direct")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		var slept atomic.Int64
		r := w.replicaWith(nil, func(p *Parts) {
			boot := p.Boot
			p.Boot = func() time.Duration { return boot() + time.Duration(slept.Load()) }
		})
		derived := r.mustEncrypt("derived") // under version 2
		r.mustDecrypt(local, "local")       // its local KEK was unwrapped
		r.mustDecrypt(wrapped, "direct")
		w.store.set(func(s *fakeStore) {
			s.fail = vaultGone()
			s.onCall = func(op string) {
				if op == "read" {
					time.Sleep(time.Minute) // a probe that begins now changes nothing before the end
				}
			}
		})
		snap := r.kms.writer().Snapshot()

		slept.Store(int64(23 * time.Hour))
		r.mustEncrypt("still")
		r.mustDecrypt(derived, "derived")
		r.mustDecrypt(local, "local")
		r.mustDecrypt(wrapped, "direct")

		slept.Store(int64(24*time.Hour + time.Second))
		wants(t, r.statusErr(), codes.Unavailable, "lease")
		r.mustNotEncrypt(codes.Unavailable, "lease")
		for name, sealed := range map[string]*service.EncryptResponse{"derived": derived, "unwrapped": local, "opened": wrapped} {
			if text, err := r.decrypt(sealed); err == nil {
				t.Errorf("%s: %q is opened", name, text)
			} else {
				wants(t, err, codes.Unavailable)
			}
		}
		for _, v := range r.info().GetKeys()[0].GetVersions() {
			if v.GetOpensWithoutVault() {
				t.Errorf("said to be usable: %v", v)
			}
		}
		if r.kms.writer().Snapshot() != snap {
			t.Fatal("a probe has come in between: this test shows nothing")
		}
	})
}
