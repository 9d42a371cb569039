package kmsplugin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// suspect has the key store refuse until one probe has met it.
func (r *replica) suspect(s *fakeStore) {
	s.set(func(s *fakeStore) { s.fail = keyRefused() })
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
				_, err := r.encrypt("x")
				wants(t, err, codes.PermissionDenied, "not confirmed yet")
				w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
				time.Sleep(20 * time.Hour)
				r.mustEncrypt("an API server that restarts asks for this")
				w.store.set(func(s *fakeStore) { s.fail = nil })
				time.Sleep(time.Minute)
				r.suspect(w.store)
				w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
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

// connections notes which probes wanted a new connection.
type connections struct {
	fakeClient
	mu    sync.Mutex
	fresh []bool
}

func (c *connections) ReadKey(ctx context.Context) (backend.Key, error) {
	c.mu.Lock()
	c.fresh = append(c.fresh, backend.NewConnection(ctx))
	c.mu.Unlock()
	return c.fakeClient.ReadKey(ctx)
}

// seen returns what was noted since the last call.
func (c *connections) seen() []bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.fresh
	c.fresh = nil
	return fresh
}

func TestARefusalIsConfirmedOverANewConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := &connections{}
		r := w.replicaWith(nil, func(p *Parts) { c.fakeClient = fakeClient{w.store, p.Boot}; p.Writes.Backend = c })
		time.Sleep(time.Minute)
		if fresh := c.seen(); slices.Contains(fresh, true) {
			t.Errorf("new connections while nothing is wrong: %v", fresh)
		}
		r.suspect(w.store)
		time.Sleep(6 * time.Second)
		wants(t, r.statusErr(), codes.PermissionDenied)
		if fresh := c.seen(); !slices.Equal(fresh, []bool{false, true}) {
			t.Errorf("new connections: %v, want one for the second probe", fresh)
		}
	})
}

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
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		closed := func(texts ...string) {
			t.Helper()
			wants(t, r.statusErr(), codes.PermissionDenied, texts...)
			_, err := r.encrypt("x")
			wants(t, err, codes.PermissionDenied, texts...)
			_, err = r.decrypt(e)
			wants(t, err, codes.PermissionDenied, texts...)
			_, err = seed()
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
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(10 * time.Hour)
		closed("permission denied on the key", "withheld") // an outage changes nothing

		derived, opened := w.store.count("hmac", "encrypt"), w.store.count("decrypt")
		w.store.set(func(s *fakeStore) { s.fail = nil })
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
		if r.log.count("in use again") != 1 {
			t.Error("the log does not say that it is over")
		}
	})
}

func TestWhatIsWithheldIsErasedWhenItsLeaseEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		e := r.mustEncrypt("seed")
		w.opensSeed(r)
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
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
		if err := r.kms.SetOnRefusal(RefusalLease); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
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
				bare := store.bare(t, "of another plugin")
				before.stop()
				var r *replica
				if role == "a previous key" {
					w.store = w.second("new")
					r = w.replicaWith(nil, previous(store))
				} else {
					r = w.replica(nil)
				}
				r.mustDecrypt(old, "old")
				r.mustDecrypt(bare, "of another plugin")
				backup := store.save()
				time.Sleep(time.Hour)
				store.set(func(s *fakeStore) { s.fail = keyRefused() })
				time.Sleep(time.Minute)
				store.recreate()
				store.set(func(s *fakeStore) { s.fail = nil })
				time.Sleep(time.Minute)

				fresh := r.mustEncrypt("new")
				r.mustDecrypt(fresh, "new")
				_, err := r.decrypt(old)
				wants(t, err, codes.PermissionDenied, "withheld")
				if _, err := r.decrypt(bare); err == nil {
					t.Error("a seed that the former key opened is used")
				}
				time.Sleep(5 * time.Hour)
				_, err = r.decrypt(old)
				wants(t, err, codes.PermissionDenied, "withheld")

				if err := r.kms.SetOnRefusal(RefusalLease); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				r.mustDecrypt(old, "old")
				r.mustDecrypt(bare, "of another plugin")
				if e := r.mustEncrypt("x"); e.KeyID != fresh.KeyID {
					t.Errorf("written with %s although there is %s", e.KeyID, fresh.KeyID)
				}
				if err := r.kms.SetOnRefusal(RefusalWithhold); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				_, err = r.decrypt(old)
				wants(t, err, codes.PermissionDenied, "withheld")

				calls := store.count("hmac", "encrypt")
				backup()
				time.Sleep(40 * time.Second)
				r.mustDecrypt(old, "old")
				r.mustDecrypt(bare, "of another plugin")
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
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(10 * time.Hour)
		wants(t, r.statusErr(), codes.PermissionDenied)
		if err := r.kms.SetOnRefusal("perhaps"); err == nil {
			t.Error("a setting that does not exist is taken")
		}
		if err := r.kms.SetOnRefusal(RefusalLease); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if again := r.mustEncrypt("sealed behind broken glass"); again.KeyID != e.KeyID {
			t.Error("another key_id")
		}
		r.mustDecrypt(e, "seed")
		if _, err := seed(); err != nil {
			t.Error(err)
		}
		if n := r.log.count("REFUSED BUT SERVED"); n != 1 {
			t.Errorf("the log says %d times that refused keys are served", n)
		}
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
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		if !holdsKEK(t, m) {
			t.Fatal("nothing is held")
		}
		if err := r.kms.SetOnRefusal(RefusalDrop); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * saveGap)
		if seeds, _ := r.kms.cache.len(); seeds != 0 || r.kms.writer().Snapshot().LocalKEKs() != 0 || holdsKEK(t, m) {
			t.Error("still held or kept")
		}
		wants(t, r.statusErr(), codes.PermissionDenied)
		if n := len(r.kms.sources[1].monitor.Checkpoint().Versions); n != 1 {
			t.Errorf("of the key that is not refused %d versions are held", n)
		}
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
	})
}

func TestAVersionBelowTheMinimumIsWithheldAndComesBackWithIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		old := r.mustEncrypt("old")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 2 })
		time.Sleep(40 * time.Second)
		now := r.mustEncrypt("new")
		_, err := r.decrypt(old)
		wants(t, err, codes.FailedPrecondition, "version 1", "minimum")
		if n := r.kms.writer().Snapshot().LocalKEKs(); n != 2 {
			t.Errorf("%d local KEKs are held", n)
		}
		if err := r.kms.SetOnRefusal(RefusalLease); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		r.mustDecrypt(old, "old")
		if err := r.kms.SetOnRefusal(RefusalWithhold); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		_, err = r.decrypt(old)
		wants(t, err, codes.FailedPrecondition, "version 1", "minimum")
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
	for name, tc := range map[string]struct {
		blank  bool
		answer error
	}{
		"a canary of its own":                   {answer: trouble},
		"a canary of its own, never answered":   {answer: vaultGone()},
		"a canary of random bytes":              {blank: true, answer: trouble},
		"one of random bytes, never answered":   {blank: true, answer: vaultGone()},
		"a canary that does not authenticate":   {answer: &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "message authentication failed", Err: backend.ErrAuthentication}},
		"an item of a class that says too much": {answer: &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "refusing to use soft-deleted key"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				writer := w.replica(nil)
				old := writer.mustEncrypt("old")
				w.store.rotate()
				writer.stop()
				if tc.blank {
					w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
				}
				r, f := w.faultyReplica(faulty{})
				time.Sleep(10 * time.Minute)
				now := r.mustEncrypt("new") // under version 2
				r.mustDecrypt(old, "old")
				f.set(func(*fakeStore) { f.item = item("decrypt", 1, tc.answer) })
				time.Sleep(23 * time.Hour)
				r.mustDecrypt(old, "old")
				if n := r.log.count("its lease is not renewed"); n != 1 {
					t.Errorf("the log says it %d times", n)
				}
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
		})
	}
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

		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
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

		if err := r.kms.SetOnRefusal(RefusalLease); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
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
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		f.set(func(*fakeStore) { f.item = nil })
		w.store.recreate()
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(time.Minute)
		r.mustEncrypt("x")
		_, err := r.decrypt(e)
		wants(t, err, codes.PermissionDenied, "withheld")
		if err := r.kms.SetOnRefusal(RefusalLease); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
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
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		w.store.set(func(s *fakeStore) { s.fail, s.garble = nil, true })
		time.Sleep(time.Hour)
		wants(t, r.statusErr(), codes.PermissionDenied, "withheld")
		_, err := r.decrypt(e)
		wants(t, err, codes.PermissionDenied, "withheld")
		f.set(func(s *fakeStore) { s.garble, f.item = false, item("decrypt", 2, vaultGone()) })
		time.Sleep(time.Minute)
		if e := r.mustEncrypt("x"); !strings.HasPrefix(e.KeyID, "v1.") {
			t.Errorf("written with %s, of which Vault says nothing", e.KeyID)
		}
		_, err = r.decrypt(e)
		wants(t, err, codes.PermissionDenied, "withheld")
		f.set(func(*fakeStore) { f.item = nil })
		time.Sleep(time.Minute)
		r.mustDecrypt(e, "seed")
		if e := r.mustEncrypt("x"); !strings.HasPrefix(e.KeyID, "v2.") {
			t.Errorf("written with %s, although Vault opens version 2 again", e.KeyID)
		}
	})
}
