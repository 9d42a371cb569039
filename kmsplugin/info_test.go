package kmsplugin

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

func (r *replica) info() *pluginv1.GetInfoResponse {
	r.t.Helper()
	i, err := info{service: r.kms}.GetInfo(r.t.Context(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

func TestInfoSaysWhatThisNodeCouldStillOpen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		r := w.replica(nil)
		e := r.mustEncrypt("x")
		i := r.info()
		if !i.GetServing().GetOk() || !i.GetServing().GetWritable() || i.GetServing().GetKeyId() != e.KeyID {
			t.Errorf("serving: %v", i.GetServing())
		}
		versions := i.GetKeys()[0].GetVersions()
		if len(versions) != 2 {
			t.Fatalf("versions: %v", versions)
		}
		if v := versions[0]; v.GetNumber() != 1 || v.GetOpensWithoutVault() || v.GetLeaseLeft() != nil || v.GetWrites() {
			t.Errorf("a version that only Vault opens: %v", v)
		}
		if v := versions[1]; v.GetNumber() != 2 || !v.GetOpensWithoutVault() || v.GetLeaseLeft().AsDuration() != 24*time.Hour || !v.GetWrites() || v.GetKeyId() != e.KeyID {
			t.Errorf("the version that writes: %v", v)
		}
		if ahead := i.GetKeys()[0].GetClockAhead().AsDuration(); ahead < 59*time.Minute || ahead > 61*time.Minute {
			t.Errorf("Vault's clock is said to be %v ahead, it is an hour", ahead)
		}

		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 0; s.key.Exportable = true })
		time.Sleep(40 * time.Second)
		k := r.info().GetKeys()[0]
		if k.GetWriteVersion() != 2 || k.GetNextVersion() != 3 || !k.GetPromotes().AsTime().Equal(w.store.key.Created[3].Add(3*time.Minute)) {
			t.Errorf("announced: %v", k)
		}
		if !k.GetVersions()[0].GetOpensWithoutVault() {
			t.Errorf("a version that may seal again has no local KEK: %v", k.GetVersions()[0])
		}
		if len(k.GetHazards()) != 1 || k.GetHazards()[0].GetName() != "exportable" {
			t.Errorf("hazards: %v", k.GetHazards())
		}

		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		i = r.info()
		if i.GetServing().GetOk() || i.GetServing().GetReason() == "" || i.GetKeys()[0].GetProbe().GetState() != "refusal" {
			t.Errorf("refused: %v", i)
		}
		for _, v := range i.GetKeys()[0].GetVersions() {
			if v.GetOpensWithoutVault() || !v.GetRefused() {
				t.Errorf("a refused version: %v", v)
			}
		}
	})
}

func TestInfoSaysWhoseRightsThePluginHas(t *testing.T) {
	want := hostfacts.CheckUserIDs() == nil
	if p := processInfo(); (p != nil) != want || want && int(p.GetUid()) != os.Geteuid() {
		t.Errorf("got %v, as user %d; can be told: %v", p, os.Geteuid(), want)
	}
	inWorld(t, func(t *testing.T, w *world) {
		if p := w.replica(nil).info().GetProcess(); (p != nil) != want {
			t.Errorf("it is left out: %v", p)
		}
	})
}

func TestInfoBeforeVaultHasAnsweredSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.fails(vaultGone())
		i := w.replica(nil).info()
		p := i.GetKeys()[0].GetProbe()
		if i.GetServing().GetOk() || p.GetState() != "outage" || p.GetLastGood() != nil || p.GetFailing() == nil || p.GetReason() == "" {
			t.Errorf("got %v", i)
		}
	})
}

// TestATokenThatMayNotLookItselfUpIsARisk is about the way to the key: a probe
// sees nothing of it.
func TestATokenThatMayNotLookItselfUpIsARisk(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := &TokenState{}
		r := w.replicaWith(nil, func(p *Parts) { p.Writes.Token = o })
		registry := prometheus.NewRegistry()
		registry.MustRegister(collector{r.kms})
		expect := func(when string, want float64) {
			t.Helper()
			var named float64
			for _, h := range r.info().GetKeys()[0].GetHazards() {
				if h.GetName() == "revocation_not_recognised" && strings.Contains(h.GetText(), "auth/token/lookup-self") {
					named++
				}
			}
			families := testkit.Must(registry.Gather())(t)
			measured := -1.0
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == "sealproof_key_hazard" && strings.Contains(m.String(), "revocation_not_recognised") {
						measured = m.GetGauge().GetValue()
					}
				}
			}
			if named != want || measured != want {
				t.Errorf("%s: named %v times, metric %v, want %v", when, named, measured, want)
			}
		}
		expect("before any login", 0)
		o.SelfLookup(false)
		expect("it may not", 1)
		o.SelfLookup(true)
		expect("it may again", 0)
	})
}

func TestWhatIsKnownOfTheTokenIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var o *Observer
		r := w.replicaWith(nil, func(p *Parts) {
			p.Writes.Token = &TokenState{}
			o = p.Metrics.Observer("vault", p.Writes.Token)
		})
		if token := r.info().GetToken(); token != nil {
			t.Errorf("before any login: %v", token)
		}
		expires := time.Now().Add(time.Hour)
		o.Token(expires, true)
		if token := r.info().GetToken(); !token.GetExpires().AsTime().Equal(expires) || !token.GetProlongable() {
			t.Errorf("got %v", token)
		}
		if v := r.labelled("sealproof_vault_token_expiry_timestamp_seconds"); v[""] != float64(expires.Unix()) {
			t.Errorf("metric: %v", v)
		}
		o.Token(time.Time{}, false)
		if token := r.info().GetToken(); token == nil || token.GetExpires() != nil || token.GetProlongable() {
			t.Errorf("a token that never expires: %v", token)
		}
		if v := r.labelled("sealproof_vault_token_expiry_timestamp_seconds"); v[""] != 0 {
			t.Errorf("metric of a token that never expires: %v", v)
		}
	})
}

func TestRequestsToVaultAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := NewMetrics(registry).Observer("vault", &TokenState{})
	o.Request("decrypt", 0, time.Millisecond)
	o.Request("decrypt", backend.Outage, time.Second)
	o.Batch(3)
	families := testkit.Must(registry.Gather())(t)
	text := fmt.Sprint(families)
	for _, want := range []string{`name:"result" value:"ok"`, `name:"result" value:"outage"`, "sealproof_vault_batch_items", "sealproof_vault_request_duration_seconds"} {
		if !strings.Contains(strings.ReplaceAll(text, "  ", " "), want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
}
