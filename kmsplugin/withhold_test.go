package kmsplugin

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// opensSeed has a replica hold a seed that Vault wrapped itself.
func (w *world) opensSeed(r *replica) func() (string, error) {
	other := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
	e := other.mustEncrypt("opened by Vault")
	other.stop()
	r.mustDecrypt(e, "opened by Vault")
	return func() (string, error) { return r.decrypt(e) }
}

func TestWhatIsRefusedIsWithheldUntilItsOwnCanaryOpens(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("seed")
		seed := w.opensSeed(r)
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		closed := func(texts ...string) {
			t.Helper()
			wants(t, r.statusErr(), codes.PermissionDenied, texts...)
			r.mustNotEncrypt(codes.PermissionDenied, texts...)
			r.mustNotDecrypt(e, codes.PermissionDenied, texts...)
			_, err := seed()
			wants(t, err, codes.PermissionDenied, texts...)
		}
		closed("permission denied on the key", "withheld", "kmsplugin status")
		seeds, _ := r.kms.cache.len()
		if keks := r.kms.writer().Snapshot().LocalKEKs(); keks != 1 || seeds != 1 {
			t.Errorf("%d local KEKs and %d seeds are held", keks, seeds)
		}
		if n := r.log.count("WITHHELD"); n != 1 || r.log.count(e.KeyID) == 0 || r.log.count("Do not restart") != n {
			t.Errorf("the log says %d times what is withheld", n)
		}
		w.store.fails(vaultGone())
		time.Sleep(10 * time.Hour)
		closed("permission denied on the key", "withheld") // an outage changes nothing

		derived, opened := w.store.count("hmac", "encrypt"), w.store.count("decrypt")
		w.store.fails(nil)
		time.Sleep(7 * time.Second)
		if again := r.mustEncrypt("x"); again.KeyID != e.KeyID {
			t.Error("another key_id afterwards")
		}
		r.mustDecrypt(e, "seed")
		if text, err := seed(); err != nil || text != "opened by Vault" {
			t.Errorf("%q, %v", text, err)
		}
		if n := w.store.count("hmac", "encrypt") - derived; n != 0 {
			t.Errorf("derived or wrapped %d times", n)
		}
		if n := w.store.count("decrypt") - opened; n != 1 {
			t.Errorf("asked Vault to open %d times, want the canaries of one probe", n)
		}
		r.mustLog("in use again", 1)
	})
}

func TestWhatIsWithheldIsErasedWhenItsLeaseEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		e := r.mustEncrypt("seed")
		w.opensSeed(r)
		w.store.fails(keyRefused())
		time.Sleep(24*time.Hour + time.Minute)
		if seeds, _ := r.kms.cache.len(); seeds != 0 || r.kms.writer().Snapshot().LocalKEKs() != 0 {
			t.Error("held after the lease")
		}
		if holdsKEK(t, m) || len(savedState(t, m).Seeds) != 0 {
			t.Error("kept after the lease")
		}
		if n := len(r.kms.writer().Checkpoint().Withheld); n != 0 {
			t.Errorf("%d versions are said to be withheld", n)
		}
		wants(t, r.statusErr(), codes.PermissionDenied)
		r.setOnRefusal(RefusalLease)
		_, err := r.decrypt(e)
		if err == nil {
			t.Error("opened after the lease")
		}
	})
}

// save returns what puts the key store back to what it is now, as from a backup.
func (s *fakeStore) save() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, secrets, stored := s.key, maps.Clone(s.secrets), maps.Clone(s.stored)
	key.Created = maps.Clone(key.Created)
	return func() { s.set(func(s *fakeStore) { s.key, s.secrets, s.stored = key, secrets, stored }) }
}

func TestANewKeyOfTheNameServesAndReleasesNothing(t *testing.T) {
	for _, role := range []string{"the key that writes", "a previous key"} {
		t.Run(role, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				time.Sleep(time.Hour)
				store := w.store
				before := w.replica(nil)
				old := before.mustEncrypt("old")
				unbound := store.unbound(t, "of another plugin")
				before.stop()
				var r *replica
				if role == "a previous key" {
					w.store = w.second("new")
					r = w.replicaWith(nil, previous(store))
				} else {
					r = w.replica(nil)
				}
				r.mustDecrypt(old, "old")
				r.mustDecrypt(unbound, "of another plugin")
				backup := store.save()
				time.Sleep(time.Hour)
				store.fails(keyRefused())
				time.Sleep(time.Minute)
				store.recreate()
				store.fails(nil)
				time.Sleep(time.Minute)

				fresh := r.mustEncrypt("new")
				r.mustDecrypt(fresh, "new")
				r.mustNotDecrypt(old, codes.PermissionDenied, "withheld")
				if _, err := r.decrypt(unbound); err == nil {
					t.Error("a seed that the former key opened is used")
				}
				time.Sleep(5 * time.Hour)
				r.mustNotDecrypt(old, codes.PermissionDenied, "withheld")

				r.setOnRefusal(RefusalLease)
				r.mustDecrypt(old, "old")
				r.mustDecrypt(unbound, "of another plugin")
				if e := r.mustEncrypt("x"); e.KeyID != fresh.KeyID {
					t.Errorf("written with %s although there is %s", e.KeyID, fresh.KeyID)
				}
				r.setOnRefusal(RefusalWithhold)
				r.mustNotDecrypt(old, codes.PermissionDenied, "withheld")

				calls := store.count("hmac", "encrypt")
				backup()
				time.Sleep(40 * time.Second)
				r.mustDecrypt(old, "old")
				r.mustDecrypt(unbound, "of another plugin")
				if n := store.count("hmac", "encrypt") - calls; n != 0 {
					t.Errorf("derived or wrapped %d times", n)
				}
			})
		})
	}
}

func TestBreakingTheGlassServesWhatIsWithheldUntilTheLeaseEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("seed")
		seed := w.opensSeed(r)
		w.store.fails(keyRefused())
		time.Sleep(10 * time.Hour)
		wants(t, r.statusErr(), codes.PermissionDenied)
		if err := r.kms.SetOnRefusal("perhaps"); err == nil {
			t.Error("a setting that does not exist is taken")
		}
		r.setOnRefusal(RefusalLease)
		if again := r.mustEncrypt("sealed behind broken glass"); again.KeyID != e.KeyID {
			t.Error("another key_id")
		}
		r.mustDecrypt(e, "seed")
		if _, err := seed(); err != nil {
			t.Error(err)
		}
		r.mustLog("REFUSED BUT SERVED", 1)
		time.Sleep(13*time.Hour + 58*time.Minute)
		r.mustEncrypt("x")
		time.Sleep(3 * time.Minute)
		wants(t, r.statusErr(), codes.Unavailable, "lease")
		_, err := r.decrypt(e)
		if err == nil {
			t.Error("opened after the lease")
		}
	})
}

func TestWhatIsWithheldCanBeDroppedWithoutARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m, old := &memory{}, w.second("old")
		r := w.replicaWith(nil, keeping(m, at("vault", "transit/k8s", w.store), at("vault", "transit/old", old)))
		r.mustEncrypt("seed")
		w.opensSeed(r)
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		if !holdsKEK(t, m) {
			t.Fatal("nothing is held")
		}
		r.setOnRefusal(RefusalDrop)
		time.Sleep(2 * saveGap)
		if seeds, _ := r.kms.cache.len(); seeds != 0 || r.kms.writer().Snapshot().LocalKEKs() != 0 || holdsKEK(t, m) {
			t.Error("still held or kept")
		}
		wants(t, r.statusErr(), codes.PermissionDenied)
		if n := len(r.kms.sources[1].monitor.Checkpoint().Versions); n != 1 {
			t.Errorf("of the key that is not refused %d versions are held", n)
		}
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
	})
}

// labelled returns the values of one metric by the values of its labels but source,
// which must be that of the key that writes.
func (r *replica) labelled(name string) map[string]float64 {
	r.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{r.kms})
	families, err := registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "source" {
					labels = append(labels, l.GetValue())
				}
			}
			values[strings.Join(labels, " ")] = m.GetGauge().GetValue()
		}
	}
	if len(values) == 0 {
		r.t.Fatalf("there is no metric %s", name)
	}
	return values
}

func TestMetricsAndInfoSayWhatIsWithheldAndUntilWhen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("seed")
		says := func(keyNo, keyYes, versionNo, versionYes, hours float64) {
			t.Helper()
			want := map[string]float64{"key no": keyNo, "key yes": keyYes, "version no": versionNo, "version yes": versionYes}
			if got := r.labelled("sealproof_withheld_versions"); !maps.Equal(got, want) {
				t.Errorf("withheld: %v, want %v", got, want)
			}
			left := r.labelled("sealproof_withheld_remaining_seconds")[""]
			if d := hours*3600 - left; d < 0 || d > 60 {
				t.Errorf("%v seconds are left, want a little less than %v hours", left, hours)
			}
		}
		says(0, 0, 0, 0, 0)
		if i := r.info(); i.GetOnRefusal() != RefusalWithhold || i.GetKeys()[0].GetWithheld() != nil {
			t.Errorf("info: %v", i)
		}
		w.store.rotate()
		time.Sleep(4 * time.Minute)
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 2 })
		time.Sleep(5 * time.Hour)
		says(0, 0, 1, 0, 0) // below the minimum, but Vault has it
		if held := r.info().GetKeys()[0].GetWithheld(); held.GetWholeKey() || held.GetLeft() != nil || held.GetServed() || held.GetSince().AsDuration() < 4*time.Hour {
			t.Errorf("info: %v", held)
		}

		w.store.fails(keyRefused())
		time.Sleep(10 * time.Hour)
		says(2, 0, 0, 0, 9) // the first version is lost with the key, and sooner
		i := r.info()
		held := i.GetKeys()[0].GetWithheld()
		if !held.GetWholeKey() || held.GetServed() || held.GetLeft().AsDuration() > 9*time.Hour || held.GetLeft().AsDuration() < 8*time.Hour+59*time.Minute || held.GetReason() == "" {
			t.Errorf("info: %v", held)
		}
		for n, hours := range []time.Duration{9, 14} {
			v := i.GetKeys()[0].GetVersions()[n]
			left := v.GetWithheldLeft().AsDuration()
			if !v.GetWithheld() || !v.GetRefused() || v.GetOpensWithoutVault() || v.GetLeaseLeft() != nil || left > hours*time.Hour || left < hours*time.Hour-time.Minute {
				t.Errorf("version %d: %v", n+1, v)
			}
		}

		r.setOnRefusal(RefusalLease)
		says(0, 2, 0, 0, 9)
		i = r.info()
		if held := i.GetKeys()[0].GetWithheld(); !held.GetServed() || i.GetOnRefusal() != RefusalLease || !i.GetServing().GetOk() || !i.GetServing().GetWritable() {
			t.Errorf("info: %v", i)
		}
		for n, v := range i.GetKeys()[0].GetVersions() {
			if v.GetWithheld() || !v.GetRefused() || !v.GetOpensWithoutVault() || v.GetLeaseLeft() == nil {
				t.Errorf("version %d: %v", n+1, v)
			}
		}
		w.store.set(func(s *fakeStore) { s.fail, s.key.MinDecryption = nil, 1 })
		time.Sleep(time.Minute)
		says(0, 0, 0, 0, 0)
		r.mustDecrypt(e, "seed")
		if held := r.info().GetKeys()[0].GetWithheld(); held != nil {
			t.Errorf("afterwards: %v", held)
		}
	})
}
