package kmsplugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/seal"
)

// memory is a Keep that outlives replicas, as systemd's store does; the real one
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

func (m *memory) on(machine string) func(*Parts) {
	return func(p *Parts) { p.Keep, p.Machine = m, machine }
}

func TestWhatIsKeptCarriesARestartThroughAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("wrapped by Vault")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		m := &memory{}
		before := w.replicaWith(nil, m.on("boot"))
		e := before.mustEncrypt("x")
		before.mustDecrypt(direct, "wrapped by Vault")
		time.Sleep(time.Hour)
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(10 * time.Hour)
		before.stop()

		empty := w.replicaWith(nil, nil)
		wants(t, empty.statusErr(), codes.Unavailable, "not ready")
		empty.stop()

		after := w.replicaWith(nil, m.on("boot"))
		if again := after.mustEncrypt("y"); again.KeyID != e.KeyID {
			t.Errorf("writes with %s, before the restart with %s", again.KeyID, e.KeyID)
		}
		after.mustDecrypt(e, "x")
		after.mustDecrypt(direct, "wrapped by Vault")
		time.Sleep(13 * time.Hour)
		after.mustDecrypt(e, "x")
		time.Sleep(90 * time.Minute) // a restart gives nobody a longer lease
		wants(t, after.statusErr(), codes.Unavailable, "lease")
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(10 * time.Second)
		after.mustEncrypt("z")
		after.mustDecrypt(e, "x")
	})
}

func TestWhatWasRefusedIsNotKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		r.mustEncrypt("x")
		if !holdsKEK(t, m) {
			t.Fatal("nothing is kept")
		}
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Minute)
		if holdsKEK(t, m) {
			t.Error("a refused local KEK is still kept")
		}
		if n := len(r.kms.preserver.raw); n != 0 {
			t.Errorf("%d refused local KEKs are still held to be kept", n)
		}
	})
}

func TestAPreviousKeyThatIsRefusedTakesNothingOfTheWritingOneAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m, old := &memory{}, w.second("old")
		with := func(p *Parts) { m.on("boot")(p); previous(old)(p) }
		r := w.replicaWith(nil, with)
		e := r.mustEncrypt("x")
		old.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(time.Hour)
		r.stop()
		if n := len(r.kms.preserver.raw); n != 0 {
			t.Errorf("%d local KEKs are held after the end", n)
		}
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		w.replicaWith(nil, with).mustDecrypt(e, "x")
	})
}

func holdsKEK(t *testing.T, m *memory) bool {
	t.Helper()
	state, _ := m.Load()
	var k kept
	if err := json.Unmarshal(state, &k); err != nil {
		t.Fatal(err)
	}
	for _, s := range k.Sources {
		for _, v := range s.Versions {
			if len(v.KEK) == seal.KEKSize {
				return true
			}
		}
	}
	return false
}

func TestKeepingIsQuietWhileNothingChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		w.replicaWith(nil, m.on("boot"))
		time.Sleep(time.Minute)
		saves := m.count()
		time.Sleep(24 * time.Hour)
		if n := m.count() - saves; n < 24 || n > 60 {
			t.Errorf("saved %d times in a day", n)
		}
	})
}

func TestWhatWasKeptIsNotUsedWhereItDoesNotBelong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		r.mustEncrypt("x")
		r.stop()
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		good := m.state
		for name, tc := range map[string]struct {
			machine, want string
			change        func(*Config)
			state         []byte
			fail          error
		}{
			"after the machine was started anew": {machine: "another boot", want: "before the machine was started"},
			"in another cluster":                 {machine: "boot", change: func(c *Config) { c.Cluster = "other" }, want: `of cluster \"prod\"`},
			"of another format":                  {machine: "boot", state: bytes.Replace(good, []byte(`"format":1`), []byte(`"format":9`), 1), want: "format is 9"},
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
		if _, ok := d.Annotations[seal.AnnotationKEK]; ok {
			t.Error("sealed with a local KEK although Vault was asked for")
		}
		direct.stop()
		fresh := &memory{} // in which no local KEK ever was
		w.replicaWith(vault, fresh.on("boot")).stop()
		again := w.replicaWith(nil, fresh.on("boot"))
		again.mustDecrypt(d, "y")
		again.mustDecrypt(e, "x")
		if _, ok := again.mustEncrypt("z").Annotations[seal.AnnotationKEK]; !ok {
			t.Error("not sealed with a local KEK although one was asked for")
		}
	})
}
