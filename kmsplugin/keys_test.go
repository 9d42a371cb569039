package kmsplugin

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// second returns another key of another key store.
func (w *world) second(name string) *fakeStore {
	s := newFakeStore(w.store.clock)
	s.key.Name = name
	return s
}

// previous makes a key one that only decrypts.
func previous(stores ...*fakeStore) func(*Parts) {
	return func(p *Parts) {
		for i, s := range stores {
			p.Previous = append(p.Previous, Source{
				Name: []string{"previous[0]", "previous[1]"}[i], Path: "transit/" + s.key.Name, Backend: fakeClient{s, p.Boot},
			})
		}
	}
}

func TestAPreviousKeyIsReadAndNeverWrittenWith(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		local := w.replica(nil).mustEncrypt("sealed with the old key")
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("wrapped by the old key")
		old := w.store
		w.store = w.second("new")
		calls := old.count("encrypt", "hmac")
		r := w.replicaWith(nil, previous(old))
		r.mustDecrypt(local, "sealed with the old key")
		r.mustDecrypt(direct, "wrapped by the old key")
		fresh := r.mustEncrypt("new")
		if fresh.KeyID == local.KeyID {
			t.Error("written with the old key")
		}
		time.Sleep(time.Hour)
		if n := old.count("encrypt", "hmac"); n != calls {
			t.Errorf("the previous key was asked to seal %d times", n-calls)
		}

		old.fails(vaultGone())
		time.Sleep(23 * time.Hour)
		r.mustDecrypt(local, "sealed with the old key")
		r.mustDecrypt(direct, "wrapped by the old key")
		time.Sleep(2 * time.Hour)
		r.mustNotDecrypt(local, codes.Unavailable, "sealed")
		r.mustEncrypt("the new key does not care")
	})
}

func TestARefusedPreviousKeyTakesOnlyItsOwnAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := w.replica(nil).mustEncrypt("old")
		old := w.store
		w.store = w.second("new")
		r := w.replicaWith(nil, previous(old))
		r.mustDecrypt(before, "old")
		mine := r.mustEncrypt("new")
		foreign := w.replicaWith(func(c *Config) { c.Envelope = EnvelopeVault }, nil).mustEncrypt("opened")
		r.mustDecrypt(foreign, "opened")
		old.fails(keyRefused())
		time.Sleep(time.Minute)
		r.mustNotDecrypt(before, codes.PermissionDenied, "permission denied on the key")
		r.mustDecrypt(mine, "new")
		calls := w.store.count()
		r.mustDecrypt(foreign, "opened")
		if w.store.count() != calls {
			t.Error("what the other key opened was forgotten")
		}
	})
}

func TestAnIDThatNoKeyKnowsIsTriedWithEveryKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		e := w.replica(nil).mustEncrypt("seed")
		w.store.set(func(s *fakeStore) { s.key.Mount = "moved" }) // every key_id is another one
		moved := w.store
		w.store = w.second("new")
		hung := w.second("hung")
		r := w.replicaWith(nil, previous(hung, moved))
		hung.set(func(s *fakeStore) { s.hang = true })
		r.mustDecrypt(e, "seed")

		moved.fails(vaultGone())
		other := w.replicaWith(nil, previous(moved))
		_, err := other.decrypt(e)
		wants(t, err, codes.Unavailable, "sealed") // not "does not authenticate", which one key said
	})
}

func TestAStartIsReadyAfterFourRequestsHoweverManyVersions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for range 19 {
			time.Sleep(time.Hour)
			w.store.rotate()
		}
		time.Sleep(time.Hour)
		calls, ready := 0, 0
		w.store.onCall = func(string) {
			if calls++; ready == 0 && w.last.writer().Snapshot().Choice.Version != 0 {
				ready = calls - 1
			}
		}
		r := w.replica(nil)
		if ready == 0 || ready > 4 {
			t.Errorf("ready after %d requests", ready)
		}
		r.mustHoldKEKs(20)
	})
}

func TestAVersionThatOnlyDecryptsIsDroppedWhenTheMinimumRisesAboveIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.replica(nil).mustEncrypt("old")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		r := w.replica(dropping) // can derive version 2 only
		r.mustDecrypt(old, "old")
		time.Sleep(time.Hour)
		r.mustDecrypt(old, "old")
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 2 })
		time.Sleep(40 * time.Second)
		r.mustNotDecrypt(old, codes.FailedPrecondition, "version 1", "transit/k8s", old.KeyID)
		if _, keks := r.kms.cache.len(); keks != 0 {
			t.Error("its local KEK is still held")
		}
		w.store.set(func(s *fakeStore) { s.key.MinDecryption, s.key.MinEncryption = 1, 0 })
		time.Sleep(40 * time.Second)
		r.mustDecrypt(old, "old")
		r.mustHoldKEKs(2)
	})
}

func TestWhatIsNoLongerUnderLeaseIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("seed")
		r := w.replica(nil)
		e := r.mustEncrypt("x")
		r.mustDecrypt(direct, "seed")
		w.store.fails(vaultGone())
		time.Sleep(24*time.Hour + time.Minute)
		seeds, keks := r.kms.cache.len()
		if n := r.kms.writer().Snapshot().LocalKEKs(); n != 0 || seeds != 0 || keks != 0 {
			t.Errorf("held after the lease: %d derived, %d opened KEKs, %d seeds", n, keks, seeds)
		}
		wants(t, r.statusErr(), codes.Unavailable, "lease")
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustDecrypt(e, "x")
		r.mustDecrypt(direct, "seed")
	})
}

func TestAChangeOfTheKeysPropertiesIsSaidAtOnceAndOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		w.store.set(func(s *fakeStore) {
			s.key.DeletionAllowed, s.key.AutoRotatePeriod, s.key.MinEncryption, s.key.Type = true, time.Hour, 1, "aes128-gcm96"
		})
		time.Sleep(5 * time.Minute)
		for _, want := range []string{`"property":"deletion_allowed"`, `"property":"auto_rotate_period"`, `"property":"min_encryption_version"`, `"property":"type"`, `"hazard":"deletion_allowed"`} {
			r.mustLog(want, 1)
		}
		w.store.set(func(s *fakeStore) { s.key.DeletionAllowed = false })
		time.Sleep(time.Minute)
		if r.log.count("risk is over") != 1 || len(r.kms.writer().Snapshot().Risks) != 0 {
			t.Error("the risk does not end")
		}
	})
}
