package kmsplugin

import (
	"encoding/json"
	"testing"
	"time"
)

// What was opened before its version was listed is held under no key_id, and no
// canary is its own.
func TestWhatWasOpenedBeforeItsVersionWasListedIsServedOnceTheKeyIsBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		r.mustEncrypt("x")
		time.Sleep(10 * time.Second)
		w.store.rotate()
		bare := w.store.bareOf(t, 2, "of another plugin")
		r.mustDecrypt(bare, "of another plugin")
		if ids := r.kms.writer().opens(); len(ids) != 1 || ids[0] != "" {
			t.Fatalf("it is held under %q: the test shows nothing", ids)
		}
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		if r.labelled("sealproof_withheld_versions")["key no"] != 2 {
			t.Errorf("withheld: %v", r.labelled("sealproof_withheld_versions"))
		}
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(7 * time.Second)
		if n := r.labelled("sealproof_withheld_versions")["key no"]; n != 0 {
			t.Errorf("%v versions are still withheld although the key is back", n)
		}
		r.mustDecrypt(bare, "of another plugin")
	})
}

func TestDropErasesAStateInWhichOnlyOpenedSeedsAreLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		w.withholds(m)
		state := keptState(t, m)
		for i := range state.Sources {
			state.Sources[i].Versions = nil // their leases have ended
		}
		text, err := json.Marshal(state)
		if err != nil || len(state.Seeds) == 0 {
			t.Fatalf("%d seeds, %v", len(state.Seeds), err)
		}
		m.state = text
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		w.replicaWith(dropping, m.on("boot"))
		time.Sleep(time.Minute)
		if n := len(keptState(t, m).Seeds); n != 0 {
			t.Errorf("%d seeds are still kept", n)
		}
	})
}

func TestAVersionThatIsHeldNoMoreIsNotSaidToBeUnconfirmed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		writer := w.replica(nil)
		writer.mustEncrypt("old")
		w.store.rotate()
		writer.stop()
		r, f := w.faultyReplica(faulty{})
		time.Sleep(10 * time.Minute)
		f.set(func(*fakeStore) { f.item = item("decrypt", 1, vaultGone()) })
		time.Sleep(time.Hour)
		if n := r.labelled("sealproof_unconfirmed_versions")[""]; n != 1 {
			t.Fatalf("%v versions are unconfirmed: the test shows nothing", n)
		}
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(25 * time.Hour)
		if n := r.labelled("sealproof_unconfirmed_versions")[""]; n != 0 {
			t.Errorf("%v versions are said to be unconfirmed, and none is held", n)
		}
	})
}
