package kmsplugin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/test/testkit"
)

// place is a key in a Vault, as the configuration names it.
type place struct {
	address, path string
	store         *fakeStore
}

func at(address, path string, store *fakeStore) place { return place{address, path, store} }

// keeping has a replica keep in m, write with the first place, and open with the
// others.
func keeping(m *memory, places ...place) func(*Parts) {
	return func(p *Parts) {
		m.on("boot")(p)
		for i, pl := range places {
			src := Source{Name: "vault", Path: pl.path, Addresses: []string{pl.address}, Backend: fakeClient{pl.store, p.Boot}}
			if i == 0 {
				p.Writes = src
				continue
			}
			src.Name = fmt.Sprintf("previous[%d]", i-1)
			p.Previous = append(p.Previous, src)
		}
	}
}

func (r *replica) localKEKs() (list []int) {
	for _, src := range r.kms.sources {
		list = append(list, src.monitor.Snapshot().LocalKEKs())
	}
	return list
}

func TestOnePathInTwoVaultsIsTwoKeys(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		m, old, fresh := &memory{}, w.store, newFakeStore(w.store.clock)
		before := w.replicaWith(nil, keeping(m, at("old", "transit/k8s", old), at("new", "transit/k8s", fresh)))
		sealed := before.mustEncrypt("by the old key")
		before.stop()

		// The sections are swapped.
		swapped := keeping(m, at("new", "transit/k8s", fresh), at("old", "transit/k8s", old))
		r := w.replicaWith(nil, swapped)
		r.mustDecrypt(sealed, "by the old key")
		e := r.mustEncrypt("x")
		r.stop()
		for _, s := range []*fakeStore{old, fresh} {
			s.fails(vaultGone())
		}
		r = w.replicaWith(dropping, swapped)
		r.mustEncrypt("y")
		r.mustDecrypt(e, "x")
		r.mustDecrypt(sealed, "by the old key")
		for _, s := range []*fakeStore{old, fresh} {
			s.fails(nil)
		}
		time.Sleep(time.Minute)
		for _, k := range r.info().GetKeys() {
			if len(k.GetHazards()) != 0 {
				t.Errorf("%s: %v", k.GetSource(), k.GetHazards())
			}
		}
		fresh.fails(keyRefused())
		time.Sleep(time.Minute)
		if keks := r.localKEKs(); keks[0] != 0 || keks[1] != 1 {
			t.Errorf("once the key that writes is refused, %v local KEKs are held by it and by the previous one", keks)
		}
	})
}

func TestWhatAKeyOpenedStaysItsOwnWhenSectionsAreSwapped(t *testing.T) {
	type row struct {
		refuses func(a, b *fakeStore) *fakeStore
		lost    bool
	}
	inWorlds(t, map[string]row{
		"the key that opened it is refused": {func(a, _ *fakeStore) *fakeStore { return a }, true},
		"the other key is refused":          {func(_, b *fakeStore) *fakeStore { return b }, false},
	}, func(t *testing.T, w *world, tc row) {
		m, a, b := &memory{}, w.store, w.second("b")
		seed := a.unbound(t, "seed")
		r := w.replicaWith(nil, keeping(m, at("vault", "transit/a", a), at("vault", "transit/b", b)))
		r.mustDecrypt(seed, "seed")
		r.stop()
		r = w.replicaWith(dropping, keeping(m, at("vault", "transit/b", b), at("vault", "transit/a", a)))
		calls := a.count("decrypt")
		r.mustDecrypt(seed, "seed")
		if a.count("decrypt") != calls {
			t.Error("what was opened before the swap was not taken over")
		}
		tc.refuses(a, b).set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		if seeds, _ := r.kms.cache.len(); (seeds == 0) != tc.lost {
			t.Errorf("%d seeds are held", seeds)
		}
		if kept := savedState(t, m); (len(kept.Seeds) == 0) != tc.lost {
			t.Errorf("%d seeds are kept", len(kept.Seeds))
		}
		_, err := r.decrypt(seed)
		if (err != nil) != tc.lost {
			t.Errorf("opening it ends with %v", err)
		}
	})
}

// What a refused key unwrapped must not be used for another key, not even before it is
// dropped.
func TestWhatOnlyARefusedKeyOpenedIsNotUsedForAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.store, w.second("b")
		seed := a.unbound(t, "seed")
		r := w.replicaWith(nil, keeping(&memory{}, at("vault", "transit/a", a), at("vault", "transit/b", b)))
		r.mustDecrypt(seed, "seed")
		first := r.kms.sources[0]
		use := candidateKeys{{source: r.kms.sources[1], snap: r.kms.sources[1].monitor.Snapshot()}}.usable(r.kms.boot())
		if use(origin{source: first, at: r.kms.boot()}) {
			t.Error("used although the key that opened it is no candidate")
		}
		use = candidateKeys{{source: first, snap: first.monitor.Snapshot()}}.usable(r.kms.boot())
		if !use(origin{source: first, at: r.kms.boot()}) {
			t.Error("not used although the key that opened it is a candidate")
		}
	})
}

func TestAKeyThatWroteBeforeTheRestartIsNotSaidToWriteAsAPreviousOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m, a, b := &memory{}, w.store, w.second("b")
		r := w.replicaWith(nil, keeping(m, at("vault", "transit/a", a), at("vault", "transit/b", b)))
		e := r.mustEncrypt("x")
		r.stop()
		p := Parts{Boot: r.kms.boot, Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler)}
		keeping(m, at("vault", "transit/b", b), at("vault", "transit/a", a))(&p)
		taken := &replica{t: t, kms: NewService(testConfig(), p)} // has asked nothing yet
		taken.mustDecrypt(e, "x")
		k := taken.info().GetKeys()[1]
		if k.GetWriteVersion() != 0 || k.GetNextVersion() != 0 {
			t.Errorf("%s is said to write: %v", k.GetSource(), k)
		}
		for _, v := range k.GetVersions() {
			if v.GetWrites() {
				t.Errorf("%s is said to write: %v", k.GetSource(), v)
			}
		}
	})
}

func TestNothingIsHeldForAKeyThatIsNotConfiguredAnyMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m, a, b := &memory{}, w.store, w.second("b")
		seed := a.unbound(t, "seed")
		r := w.replicaWith(nil, keeping(m, at("vault", "transit/b", b), at("vault", "transit/a", a)))
		r.mustDecrypt(seed, "seed")
		mine := r.mustEncrypt("x")
		r.stop()
		r = w.replicaWith(nil, keeping(m, at("vault", "transit/b", b)))
		r.mustDecrypt(mine, "x")
		if seeds, keks := r.kms.cache.len(); seeds != 0 || keks != 0 {
			t.Errorf("%d seeds and %d local KEKs are held", seeds, keks)
		}
		r.mustLog("transit/a", 1)
	})
}

func TestAKeyInTwoVaultsIsOpenedByEither(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("seed")
		copied := w.store.restored()
		r := w.replicaWith(nil, keeping(&memory{}, at("new", "transit/k8s", copied), at("old", "transit/k8s", w.store)))
		copied.fails(vaultGone())
		r.mustDecrypt(direct, "seed")
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		r.mustNotDecrypt(direct, codes.Unavailable, "sealed")
		copied.fails(nil)
		r.mustDecrypt(direct, "seed")
	})
}

func savedState(t *testing.T, m *memory) *checkpoint.State {
	t.Helper()
	state, _ := m.Load()
	var k checkpoint.State
	testkit.Check(t, json.Unmarshal(state, &k))
	return &k
}
