package kmsplugin

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// What was opened before its version was listed is held under no key_id, and no
// canary is its own.
func TestWhatWasOpenedBeforeItsVersionWasListedIsServedOnceTheKeyIsBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		r.mustEncrypt("x")
		time.Sleep(10 * time.Second)
		w.store.rotate()
		unbound := w.store.unboundOf(t, 2, "of another plugin")
		r.mustDecrypt(unbound, "of another plugin")
		if ids := r.kms.sources[0].Since(); len(ids) != 1 || ids[""] == 0 {
			t.Fatalf("it is held under %v: the test shows nothing", ids)
		}
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		if r.labelled("sealproof_withheld_versions")["key no"] != 2 {
			t.Errorf("withheld: %v", r.labelled("sealproof_withheld_versions"))
		}
		w.store.fails(nil)
		time.Sleep(7 * time.Second)
		if n := r.labelled("sealproof_withheld_versions")["key no"]; n != 0 {
			t.Errorf("%v versions are still withheld although the key is back", n)
		}
		r.mustDecrypt(unbound, "of another plugin")
	})
}

// A version that was imported without a key for HMAC never has a local KEK, nor a
// canary.
func TestWhatWasOnlyOpenedIsServedOnceTheKeyIsBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		unbound := w.store.unbound(t, "of another plugin")
		w.store.rotate()
		r, _ := w.faultyReplica(faulty{item: item("hmac", 1, unsuitable())})
		time.Sleep(time.Hour)
		r.mustDecrypt(unbound, "of another plugin")
		first := envelope.KeyID("transit", "k8s", 1, w.store.key.Created[1])
		held := slices.ContainsFunc(r.kms.writer().Checkpoint().Versions, func(v checkpoint.Version) bool { return v.KeyID == first })
		if unwrapped := r.kms.sources[0].Since(); held || unwrapped[first] == 0 {
			t.Fatalf("%v, %v: the test shows nothing", held, unwrapped)
		}
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		r.mustNotDecrypt(unbound, codes.PermissionDenied, "withheld")
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustDecrypt(unbound, "of another plugin")
	})
}

// Whether the data is lost is what an operator is told first.
func TestAVersionBelowTheMinimumIsThatAgainOnceTheKeyIsBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		old := r.mustEncrypt("old")
		w.store.rotate()
		time.Sleep(10 * time.Minute)
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 2 })
		time.Sleep(time.Minute)
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		if n := r.labelled("sealproof_withheld_versions")["key no"]; n != 2 {
			t.Fatalf("%v versions are withheld with the key: the test shows nothing", n)
		}
		w.store.fails(nil)
		time.Sleep(time.Minute)
		n := r.labelled("sealproof_withheld_versions")
		if n["key no"] != 0 || n["version no"] != 1 {
			t.Errorf("withheld: %v", n)
		}
		r.mustNotDecrypt(old, codes.FailedPrecondition, "minimum")
	})
}

// A key of which everything has been moved away is deleted on purpose.
func TestWhatOpensNothingIsNotSaidToBeLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		unbound := w.store.unbound(t, "of another plugin")
		r := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		if n := r.labelled("sealproof_withheld_versions")["key no"]; n != 0 {
			t.Errorf("%v versions are said to be withheld, and nothing is held", n)
		}
		if err := r.statusErr(); strings.Contains(err.Error(), "withheld") {
			t.Errorf("%v", err)
		}
		wants(t, r.statusErr(), codes.PermissionDenied)
		r.mustLog("WITHHELD", 0)
		w.store.fails(nil)
		time.Sleep(time.Minute)
		r.mustDecrypt(unbound, "of another plugin")
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		if left, ok := r.kms.writer().Snapshot().RefusedLeft(r.kms.boot()); !ok || left < 23*time.Hour {
			t.Errorf("what was opened is said to be lost in %v, %v", left, ok)
		}
	})
}

func TestDropErasesAStateInWhichOnlyOpenedSeedsAreLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		w.withholds(m)
		state := savedState(t, m)
		for i := range state.Sources {
			state.Sources[i].Versions = nil // their leases have ended
		}
		text, err := json.Marshal(state)
		if err != nil || len(state.Seeds) == 0 {
			t.Fatalf("%d seeds, %v", len(state.Seeds), err)
		}
		m.state = text
		w.store.fails(vaultGone())
		w.replicaWith(dropping, m.on("boot"))
		time.Sleep(time.Minute)
		if n := len(savedState(t, m).Seeds); n != 0 {
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
		w.store.fails(vaultGone())
		time.Sleep(25 * time.Hour)
		if n := r.labelled("sealproof_unconfirmed_versions")[""]; n != 0 {
			t.Errorf("%v versions are said to be unconfirmed, and none is held", n)
		}
	})
}

func unsuitable() error {
	return &backend.Error{Class: backend.Unsuitable, Op: "test", Reason: "no HMAC key exists for that key version"}
}
