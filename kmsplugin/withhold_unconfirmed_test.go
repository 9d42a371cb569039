package kmsplugin

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestAVersionBelowTheMinimumIsWithheldAndComesBackWithIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		old := r.mustEncrypt("old")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 2 })
		time.Sleep(40 * time.Second)
		now := r.mustEncrypt("new")
		if now.KeyID == old.KeyID {
			t.Error("still writes with a version below the minimum")
		}
		r.mustNotDecrypt(old, codes.FailedPrecondition, "version 1", "minimum")
		r.mustHoldKEKs(2)
		r.setOnRefusal(RefusalLease)
		r.mustDecrypt(old, "old")
		r.setOnRefusal(RefusalWithhold)
		time.Sleep(time.Hour)
		r.mustNotDecrypt(old, codes.FailedPrecondition, "version 1", "minimum")
		calls := w.store.count("hmac")
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 1 })
		time.Sleep(40 * time.Second)
		r.mustDecrypt(old, "old")
		r.mustDecrypt(now, "new")
		if w.store.count("hmac") != calls {
			t.Error("derived anew")
		}
	})
}

func TestAVersionThatIsNotConfirmedLosesItsLeaseAndNoOther(t *testing.T) {
	trouble := &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "Vault answers with an error that is not known"}
	type row struct {
		decoy  bool
		answer error
	}
	inWorlds(t, map[string]row{
		"a canary of its own":                   {answer: trouble},
		"a canary of its own, never answered":   {answer: vaultGone()},
		"a canary of random bytes":              {decoy: true, answer: trouble},
		"one of random bytes, never answered":   {decoy: true, answer: vaultGone()},
		"a canary that does not authenticate":   {answer: &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "message authentication failed", Err: backend.ErrAuthentication}},
		"an item of a class that says too much": {answer: &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "refusing to use soft-deleted key"}},
	}, func(t *testing.T, w *world, tc row) {
		writer := w.replica(nil)
		old := writer.mustEncrypt("old")
		w.store.rotate()
		writer.stop()
		if tc.decoy {
			w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		}
		r, f := w.faultyReplica(faulty{})
		time.Sleep(10 * time.Minute)
		now := r.mustEncrypt("new") // under version 2
		r.mustDecrypt(old, "old")
		f.set(func(*fakeStore) { f.item = item("decrypt", 1, tc.answer) })
		time.Sleep(23 * time.Hour)
		r.mustDecrypt(old, "old")
		r.mustLog("its lease is not renewed", 1)
		v := r.info().GetKeys()[0].GetVersions()
		if told := v[0].GetUnconfirmed(); told == "" || told == "no answer" || v[1].GetUnconfirmed() != "" {
			t.Errorf("info says %q of it, and %q of the other", told, v[1].GetUnconfirmed())
		}
		if n := r.labelled("sealproof_unconfirmed_versions")[""]; n != 1 {
			t.Errorf("%v versions are said to be unconfirmed", n)
		}
		time.Sleep(2 * time.Hour)
		if _, err := r.decrypt(old); err == nil {
			t.Error("still opened after the lease")
		}
		f.set(func(*fakeStore) { f.request = requests("decrypt", vaultGone()) })
		time.Sleep(23 * time.Hour)
		r.mustDecrypt(now, "new") // whose lease went on being renewed
	})
}

// What this replica has only opened, and could never derive, has no version held
// beside it that would carry the mark.
func TestWhatWasOnlyOpenedIsWithheldToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		e := w.replica(nil).mustEncrypt("seed")
		r, f := w.faultyReplica(faulty{item: item("hmac", 1, keyRefused())})
		r.mustDecrypt(e, "seed")
		if n := r.kms.writer().Snapshot().LocalKEKs() + len(r.kms.writer().Checkpoint().Versions); n != 0 {
			t.Fatalf("%d versions are held", n)
		}
		time.Sleep(time.Hour)
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		f.set(func(*fakeStore) { f.item = nil })
		w.store.recreate()
		w.store.fails(nil)
		time.Sleep(time.Minute)
		r.mustEncrypt("x")
		r.mustNotDecrypt(e, codes.PermissionDenied, "withheld")
		r.setOnRefusal(RefusalLease)
		r.mustDecrypt(e, "seed")
		time.Sleep(24 * time.Hour)
		if n := len(r.kms.writer().Checkpoint().Withheld); n != 0 {
			t.Errorf("%d versions are withheld of which nothing is held", n)
		}
	})
}

func TestAKeyThatAnswersAgainButOpensNothingStaysWithheld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.rotate()
		r, f := w.faultyReplica(faulty{})
		time.Sleep(4 * time.Minute)
		e := r.mustEncrypt("seed") // under version 2
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		w.store.set(func(s *fakeStore) { s.fail, s.garble = nil, true })
		time.Sleep(time.Hour)
		wants(t, r.statusErr(), codes.PermissionDenied, "withheld")
		r.mustNotDecrypt(e, codes.PermissionDenied, "withheld")
		f.set(func(s *fakeStore) { s.garble, f.item = false, item("decrypt", 2, vaultGone()) })
		time.Sleep(time.Minute)
		if e := r.mustEncrypt("x"); !strings.HasPrefix(e.KeyID, "v1.") {
			t.Errorf("written with %s, of which Vault says nothing", e.KeyID)
		}
		r.mustNotDecrypt(e, codes.PermissionDenied, "withheld")
		f.set(func(*fakeStore) { f.item = nil })
		time.Sleep(time.Minute)
		r.mustDecrypt(e, "seed")
		if e := r.mustEncrypt("x"); !strings.HasPrefix(e.KeyID, "v2.") {
			t.Errorf("written with %s, although Vault opens version 2 again", e.KeyID)
		}
	})
}
