package kmsplugin

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/test/testkit"
)

// withholds starts a replica that keeps in m, has it open a seed, and has its key
// refused.
func (w *world) withholds(m *memory) (e *service.EncryptResponse, direct *service.EncryptResponse) {
	w.t.Helper()
	other := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
	direct = other.mustEncrypt("opened by Vault")
	other.stop()
	r := w.replicaWith(nil, m.on("boot"))
	e = r.mustEncrypt("seed")
	r.mustDecrypt(direct, "opened by Vault")
	w.store.fails(keyRefused())
	time.Sleep(time.Minute)
	r.stop()
	if f := savedState(w.t, m).Format; f != 3 {
		w.t.Fatalf("what is withheld is kept in format %d, which an older plugin would serve", f)
	}
	return e, direct
}

func TestWhatIsWithheldStaysSoThroughRestarts(t *testing.T) {
	inWorlds(t, map[string]error{"in an outage": vaultGone(), "while it is refused": keyRefused()}, func(t *testing.T, w *world, fail error) {
		m := &memory{}
		e, direct := w.withholds(m)
		w.store.fails(fail)
		var r *replica
		for range 2 {
			r = w.replicaWith(nil, m.on("boot"))
			for range 2 {
				wants(t, r.statusErr(), codes.PermissionDenied, "permission denied on the key", "withheld")
				r.mustNotEncrypt(codes.PermissionDenied, "withheld")
				for _, sealed := range []*service.EncryptResponse{e, direct} {
					r.mustNotDecrypt(sealed, codes.PermissionDenied, "withheld")
				}
				time.Sleep(time.Hour)
			}
			r.mustLog("WITHHELD", 1)
			r.stop()
		}
		r = w.replicaWith(nil, m.on("boot"))
		calls := w.store.count("hmac", "encrypt")
		w.store.fails(nil)
		time.Sleep(7 * time.Second)
		r.mustEncrypt("x")
		r.mustDecrypt(e, "seed")
		r.mustDecrypt(direct, "opened by Vault")
		if n := w.store.count("hmac", "encrypt") - calls; n != 0 {
			t.Errorf("derived or wrapped %d times", n)
		}
		if f := savedState(t, m).Format; f != 2 {
			t.Errorf("where nothing is withheld, the format is %d", f)
		}
	})
}

func TestWhatWasWithheldIsServedAfterARestartWithTheGlassBroken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		e, direct := w.withholds(m)
		w.store.fails(vaultGone())
		glass := func(c *Config) { c.OnRefusal = RefusalLease }
		r := w.replicaWith(glass, m.on("boot"))
		r.mustDecrypt(e, "seed")
		r.mustDecrypt(direct, "opened by Vault")
		r.mustEncrypt("x")
		r.mustLog("REFUSED BUT SERVED", 1)
		r.stop()
		r = w.replicaWith(nil, m.on("boot")) // the glass is whole again
		wants(t, r.statusErr(), codes.PermissionDenied, "withheld")
		r.stop()
		r = w.replicaWith(glass, m.on("boot"))
		time.Sleep(24 * time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "lease")
	})
}

func TestDropErasesWhatWithholdHasKept(t *testing.T) {
	inWorlds(t, map[string]error{"in an outage": vaultGone(), "while it is refused": keyRefused(), "when Vault serves the key again": nil}, func(t *testing.T, w *world, fail error) {
		m := &memory{}
		e, _ := w.withholds(m)
		w.store.fails(vaultGone())
		r := w.replicaWith(dropping, m.on("boot"))
		wants(t, r.statusErr(), codes.PermissionDenied, "permission denied on the key")
		if err := r.statusErr(); strings.Contains(err.Error(), "withheld") {
			t.Errorf("nothing is withheld any more: %v", err)
		}
		if _, err := r.decrypt(e); err == nil {
			t.Error("it opens what was withheld")
		}
		if seeds, _ := r.kms.cache.len(); seeds != 0 || r.kms.writer().Snapshot().LocalKEKs() != 0 {
			t.Error("it is still held")
		}
		if holdsKEK(t, m) || len(savedState(t, m).Seeds) != 0 {
			t.Error("it is still kept")
		}
		w.store.fails(fail)
		time.Sleep(time.Minute)
		if _, err := r.decrypt(e); (err == nil) != (fail == nil) {
			t.Errorf("later: %v", err)
		}
	})
}

// The state in testdata was left by the build before format 3, which had no
// on-refusal: withhold.
func TestAnUpgradeInAnOutageGoesOnFromTheStateOfTheBuildBefore(t *testing.T) {
	text := testkit.Must(os.ReadFile("testdata/state-format2.json"))(t)
	var before struct {
		State         json.RawMessage
		Local, Direct *service.EncryptResponse
	}
	testkit.Check(t, json.Unmarshal(text, &before))
	inWorld(t, func(t *testing.T, w *world) {
		w.machines = 1
		time.Sleep(70 * time.Minute) // on the clock of the machine that left it
		w.store.fails(vaultGone())
		m := &memory{state: before.State}
		for range 2 {
			r := w.replicaWith(nil, m.on("boot"))
			r.mustDecrypt(before.Local, "sealed with a local KEK")
			r.mustDecrypt(before.Direct, "wrapped by Vault")
			if e := r.mustEncrypt("x"); e.KeyID != before.Local.KeyID {
				t.Errorf("writes with %s, the build before with %s", e.KeyID, before.Local.KeyID)
			}
			time.Sleep(time.Hour)
			r.stop()
		}
		r := w.replicaWith(nil, m.on("boot"))
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		wants(t, r.statusErr(), codes.PermissionDenied, "withheld")
	})
}

func TestARefusalErasesNoStateThatAnotherPluginCouldUse(t *testing.T) {
	type row struct {
		onRefusal string
		left      bool
	}
	inWorlds(t, map[string]row{"withhold": {RefusalWithhold, true}, "drop": {RefusalDrop, false}}, func(t *testing.T, w *world, tc row) {
		m := &memory{state: []byte(keptByFormat1)}
		w.store.fails(keyRefused())
		r := w.replicaWith(func(c *Config) { c.OnRefusal = tc.onRefusal }, m.on("boot"))
		time.Sleep(3 * time.Second)
		if state, _ := m.Load(); string(state) != keptByFormat1 {
			t.Error("a suspicion has erased it")
		}
		time.Sleep(time.Minute)
		r.stop()
		if state, _ := m.Load(); (string(state) == keptByFormat1) != tc.left {
			t.Errorf("it is left: %v", !tc.left)
		}
	})
}
