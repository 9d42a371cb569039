package kmsplugin

import (
	"bytes"
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// A version that only decrypts has a canary that no key opens: the key store's
// answer alone does not tell which key gave it.
func TestTheLeaseOfAVersionThatOnlyDecryptsIsRenewedOnlyByItsOwnKey(t *testing.T) {
	const day = 24 * time.Hour
	type row struct {
		happens func(*fakeStore)
		after   time.Duration
		wants   codes.Code // OK if the old version is still held through an outage
	}
	inWorlds(t, map[string]row{
		"nothing":            {func(*fakeStore) {}, 3 * day, codes.OK},
		"the key is rotated": {(*fakeStore).rotate, 3 * day, codes.OK},
		"the key is deleted and made anew: at first the lease runs":         {(*fakeStore).recreate, day - time.Hour, codes.OK},
		"the key is deleted and made anew: then it ends":                    {func(s *fakeStore) { s.recreate(); s.rotate() }, day + time.Minute, codes.Unavailable},
		"Vault is restored to before the rotation: at first the lease runs": {beforeRotation, day - time.Hour, codes.OK},
		"Vault is restored to before the rotation: then it ends":            {beforeRotation, day + time.Minute, codes.Unavailable},
		"the minimum is raised above it": {func(s *fakeStore) {
			s.rotate()
			s.set(func(s *fakeStore) { s.key.MinDecryption = 3 })
		}, time.Minute, codes.FailedPrecondition},
	}, func(t *testing.T, w *world, tc row) {
		time.Sleep(time.Hour)
		w.store.rotate()
		time.Sleep(time.Hour)
		writer := w.replica(nil)
		sealed := writer.mustEncrypt("seed") // under version 2
		writer.stop()
		old := w.store
		w.store = w.second("new")
		r := w.replicaWith(dropping, previous(old))
		r.mustDecrypt(sealed, "seed")
		time.Sleep(time.Hour)
		tc.happens(old)
		time.Sleep(tc.after)
		old.fails(vaultGone())
		_, err := r.decrypt(sealed)
		if tc.wants != codes.OK {
			wants(t, err, tc.wants)
		} else if err != nil {
			t.Error(err)
		}
		if _, keks := r.kms.cache.len(); (keks == 1) != (tc.wants == codes.OK) {
			t.Errorf("%d local KEKs are held", keks)
		}
	})
}

// beforeRotation is what a key looks like after Vault was restored from a backup
// made before its last rotation.
func beforeRotation(s *fakeStore) {
	s.set(func(s *fakeStore) {
		delete(s.key.Created, s.key.Latest)
		delete(s.secrets, s.key.Latest)
		s.key.Latest--
		s.stored = map[string]fakeItem{}
	})
}

func TestAVersionThatSealedIsConfirmedByWhatItOpensWhateverIsListed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		old := r.mustEncrypt("seed")
		time.Sleep(time.Hour)
		// The same key, but its key_id is another one now.
		w.store.set(func(s *fakeStore) { s.key.Created[1] = s.key.Created[1].Add(time.Minute) })
		time.Sleep(3 * 24 * time.Hour)
		w.store.fails(vaultGone())
		r.mustDecrypt(old, "seed")
	})
}

// spied keeps hold of the local KEKs that were to be wrapped: not of copies, but
// of the very bytes that were derived.
type spied struct {
	*faulty
	keks [][]byte
}

func (s *spied) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	for _, i := range items {
		if bytes.Contains(i.AssociatedData, []byte("sealproof/1/wrap")) {
			s.keks = append(s.keks, i.Plaintext)
		}
	}
	return s.faulty.Encrypt(ctx, items)
}

func TestADerivedKeyIsOverwrittenWhateverBecomesOfIt(t *testing.T) {
	type row struct {
		faults faulty
		kept   bool // beyond the process
		stop   bool // while another one is made ready
	}
	inWorlds(t, map[string]row{
		"it is ready":                            {},
		"it is ready and kept":                   {kept: true},
		"it cannot be wrapped":                   {faults: faulty{request: requests("encrypt", vaultGone())}},
		"it alone cannot be wrapped":             {faults: faulty{item: item("encrypt", 1, keyRefused())}},
		"it cannot be opened":                    {faults: faulty{request: requests("decrypt", vaultGone())}},
		"it does not open":                       {faults: faulty{item: item("decrypt", 1, keyRefused())}},
		"the plugin stops before it is ready":    {stop: true},
		"the same where it would have been kept": {stop: true, kept: true},
	}, func(t *testing.T, w *world, tc row) {
		s := &spied{faulty: &tc.faults}
		r := w.replicaWith(nil, func(p *Parts) {
			s.fakeClient = fakeClient{w.store, p.Boot}
			p.Writes.Backend = s
			if tc.kept {
				(&memory{}).on("boot")(p)
			}
		})
		if tc.stop {
			w.store.rotate()
			w.store.set(func(s *fakeStore) {
				s.onCall = func(op string) {
					if op == "encrypt" {
						go r.stop()
						time.Sleep(time.Millisecond) // by then the probe is all it waits for
					}
				}
			})
			time.Sleep(time.Minute)
		}
		r.stop()
		if tc.stop && len(s.keks) != 2 {
			t.Fatalf("%d keys were derived, want that of version 2 too", len(s.keks))
		}
		if len(s.keks) == 0 {
			t.Fatal("nothing was derived")
		}
		for _, kek := range s.keks {
			if !bytes.Equal(kek, make([]byte, len(kek))) {
				t.Error("its bytes are still there")
			}
		}
	})
}
