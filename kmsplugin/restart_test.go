package kmsplugin

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// How long checkpoint gathers changes after a save, and how soon it tries again.
const (
	saveGap   = time.Second
	saveRetry = 10 * time.Second
)

// memory is a checkpoint.Store that outlives replicas, as systemd's store does; the real one
// is tested in kmsplugin/systemd and test/upgrade.
type memory struct {
	mu    sync.Mutex
	state []byte
	saves int
	fail  error
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.state), m.fail
}

func (m *memory) Save(state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.fail != nil {
		return m.fail
	}
	m.state = bytes.Clone(state)
	return nil
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

func (m *memory) set(fail error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

func (m *memory) on(machine string) func(*Parts) {
	return func(p *Parts) { p.Store, p.Machine = m, machine }
}

func TestRestartsInAnOutageLoseNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		all := map[string]*service.EncryptResponse{
			"unwrapped": w.replica(nil).mustEncrypt("unwrapped"),
			"direct":    w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("direct"),
		}
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		all["derived"] = r.mustEncrypt("derived")
		opensAll := func() {
			t.Helper()
			for text, e := range all {
				r.mustDecrypt(e, text)
			}
		}
		opensAll()
		time.Sleep(time.Hour)
		w.store.fails(vaultGone())
		for range 3 {
			time.Sleep(time.Hour)
			r.stop()
			empty := w.replicaWith(nil, nil)
			wants(t, empty.statusErr(), codes.Unavailable, "not ready")
			empty.stop()
			r = w.replicaWith(nil, m.on("boot"))
			opensAll()
			if again := r.mustEncrypt("new"); again.KeyID != all["derived"].KeyID {
				t.Errorf("writes with %s, before the restart with %s", again.KeyID, all["derived"].KeyID)
			}
		}
		time.Sleep(20 * time.Hour)
		opensAll()
		time.Sleep(90 * time.Minute) // a restart gives no longer lease
		wants(t, r.statusErr(), codes.Unavailable, "lease")
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustEncrypt("z")
		opensAll()
		r.stop()
		r = w.replicaWith(nil, m.on("boot"))
		time.Sleep(10 * time.Hour) // the canaries are restored as well, so the leases are renewed
		w.store.fails(vaultGone())
		time.Sleep(23 * time.Hour)
		opensAll()
	})
}

func TestWhatWasRefusedIsNotKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(dropping, m.on("boot"))
		r.mustEncrypt("x")
		if !holdsKEK(t, m) {
			t.Fatal("nothing is kept")
		}
		w.store.fails(keyRefused())
		time.Sleep(time.Minute)
		if holdsKEK(t, m) {
			t.Error("a refused local KEK is still kept")
		}
	})
}

func TestAPreviousKeyThatEndsTakesNothingOfTheWritingOneAway(t *testing.T) {
	for name, previousKey := range map[string]func(*world) *fakeStore{
		"another key":                          func(w *world) *fakeStore { return w.second("old") },
		"the same key, restored in this Vault": func(w *world) *fakeStore { return w.store.restored() },
	} {
		for end, fail := range map[string]error{"refused": keyRefused(), "under lease no longer": vaultGone()} {
			t.Run(name+", "+end, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					m, old := &memory{}, previousKey(w)
					with := keeping(m, at("new", "transit/k8s", w.store), at("old", "transit/"+old.key.Name, old))
					r := w.replicaWith(nil, with)
					e := r.mustEncrypt("x")
					old.fails(fail)
					time.Sleep(25 * time.Hour)
					r.stop()
					w.store.fails(vaultGone())
					after := w.replicaWith(nil, with)
					after.mustDecrypt(e, "x")
					after.mustEncrypt("y")
				})
			})
		}
	}
}

func holdsKEK(t *testing.T, m *memory) bool {
	t.Helper()
	for _, s := range savedState(t, m).Sources {
		for _, v := range s.Versions {
			if len(v.KEK) == envelope.KEKSize {
				return true
			}
		}
	}
	return false
}

func TestKeepingIsQuietWhileNothingChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		time.Sleep(time.Minute)
		saves := m.count()
		time.Sleep(24 * time.Hour)
		if n := m.count() - saves; n < 24 || n > 60 {
			t.Errorf("saved %d times in a day", n)
		}

		saves = m.count()
		for i := range 100 {
			r.mustDecrypt(w.store.unbound(t, strconv.Itoa(i)), strconv.Itoa(i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * saveGap)
		if n := m.count() - saves; n < 1 || n > 3 {
			t.Errorf("saved %d times for what was opened within a second", n)
		}
		if n := len(savedState(t, m).Seeds); n != 100 {
			t.Errorf("%d of 100 seeds are kept", n)
		}
	})
}

func TestWhatChangedLastBeforeAStopIsKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		time.Sleep(29 * time.Minute) // a later lease alone is not saved yet
		var seeds []*service.EncryptResponse
		for range 10 {
			seed := w.store.unbound(t, "seed")
			r.mustDecrypt(seed, "seed")
			seeds = append(seeds, seed)
		}
		r.stop()
		w.store.fails(vaultGone())
		r = w.replicaWith(nil, m.on("boot"))
		for _, seed := range seeds {
			r.mustDecrypt(seed, "seed")
		}
		if left := r.info().GetKeys()[0].GetVersions()[0].GetLeaseLeft().AsDuration(); left < 24*time.Hour-time.Minute {
			t.Errorf("of the lease %v are left after a restart", left)
		}
	})
}

func TestARefusedKeyIsTakenOutOfTheStoreOnceThatIsPossible(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(dropping, m.on("boot"))
		r.mustEncrypt("x")
		time.Sleep(time.Minute)
		m.set(errors.New("the manager is silent"))
		w.store.fails(keyRefused())
		time.Sleep(20 * time.Minute)
		m.set(nil)
		if !holdsKEK(t, m) {
			t.Fatal("the store was written to although that failed")
		}
		if n := r.log.count("those that were dropped may still be there"); n != 1 || r.log.count("the manager is silent") != 1 {
			t.Errorf("the log says %d times that the store is out of date", n)
		}
		time.Sleep(saveRetry + time.Second)
		if holdsKEK(t, m) {
			t.Error("a refused local KEK is still kept")
		}
		r.mustLog("up to date again", 1)
	})
}

func TestASaveThatFailedDoesNotWaitForTheNextProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(func(c *Config) { c.ProbeInterval, c.PromotionDelay = 10*time.Minute, time.Hour }, m.on("boot"))
		time.Sleep(time.Minute)
		m.set(errors.New("the manager is silent"))
		r.mustDecrypt(w.store.unbound(t, "seed"), "seed")
		time.Sleep(time.Second)
		m.set(nil)
		time.Sleep(saveRetry)
		if n := len(savedState(t, m).Seeds); n != 1 {
			t.Errorf("%d seeds are kept", n)
		}
	})
}

// keptByFormat1 is what the builds before format 2 left.
const keptByFormat1 = `{"format":1,"boot":"boot","cluster":"prod","envelope":"local","sources":[{"id":"transit/k8s","key":{"Mount":"transit","Name":"k8s"},"version":1,"versions":[{"number":1,"key_id":"v1-x","kek":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}],"keks":[],"seeds":[{"name":"AAEC","source":"vault","key_id":"v1-x","at":1,"secret":"AAEC"}]}`

func TestAStateOfAnotherFormatIsLeftUntilThereIsABetterOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{state: []byte(keptByFormat1)}
		w.store.fails(vaultGone())
		r := w.replicaWith(nil, m.on("boot"))
		time.Sleep(time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "not ready")
		if n := r.log.count("local keys were not taken over"); n != 1 || r.log.count("its format is 1, this plugin's 2 and 3") != 1 {
			t.Errorf("the log says %d times that nothing was taken over", n)
		}
		r.stop()
		if state, _ := m.Load(); string(state) != keptByFormat1 {
			t.Error("what a plugin of the former version could use is gone")
		}
		r = w.replicaWith(nil, m.on("boot"))
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
		if savedState(t, m).Format != 2 || !holdsKEK(t, m) {
			t.Error("the state of the former version is not replaced")
		}
	})
}

func TestWhatWasKeptIsNotUsedWhereItDoesNotBelong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		r.mustEncrypt("x")
		r.stop()
		w.store.fails(vaultGone())
		good := m.state
		for name, tc := range map[string]struct {
			machine, want string
			change        func(*Config)
			state         []byte
			fail          error
		}{
			"after the machine was started anew": {machine: "another boot", want: "before the machine was started"},
			"in another cluster":                 {machine: "boot", change: func(c *Config) { c.Cluster = "other" }, want: `of cluster \"prod\"`},
			"of another format":                  {machine: "boot", state: bytes.Replace(good, []byte(`"format":2`), []byte(`"format":9`), 1), want: "format is 9"},
			"damaged":                            {machine: "boot", state: good[:len(good)/2], want: "damaged"},
			"that cannot be loaded":              {machine: "boot", fail: errors.New("no such descriptor"), want: "no such descriptor"},
		} {
			m.state, m.fail = good, tc.fail
			if tc.state != nil {
				m.state = tc.state
			}
			r := w.replicaWith(tc.change, m.on(tc.machine))
			if r.statusErr() == nil {
				t.Errorf("%s: it is served from", name)
			}
			if r.log.count(tc.want) == 0 {
				t.Errorf("%s: the log does not say %q", name, tc.want)
			}
			r.stop()
		}
	})
}

func TestTheEnvelopeCanChangeBetweenKeepingAndTakingOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		vault := func(c *Config) { c.Envelope = EnvelopeVault }
		local := w.replicaWith(nil, m.on("boot"))
		e := local.mustEncrypt("x")
		local.stop()
		direct := w.replicaWith(vault, m.on("boot"))
		direct.mustDecrypt(e, "x")
		d := direct.mustEncrypt("y")
		if _, ok := d.Annotations[transit.AnnotationKEK]; ok {
			t.Error("sealed with a local KEK although Vault was asked for")
		}
		direct.stop()
		fresh := &memory{} // in which no local KEK ever was
		w.replicaWith(vault, fresh.on("boot")).stop()
		again := w.replicaWith(nil, fresh.on("boot"))
		again.mustDecrypt(d, "y")
		again.mustDecrypt(e, "x")
		if _, ok := again.mustEncrypt("z").Annotations[transit.AnnotationKEK]; !ok {
			t.Error("not sealed with a local KEK although one was asked for")
		}
	})
}
