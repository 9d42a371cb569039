package kmsplugin

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// The tests of this file let hours pass in synctest's bubble.

// replica is one plugin without its socket.
type replica struct {
	t    *testing.T
	kms  *Service
	log  *lines
	stop context.CancelFunc
}

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int { return strings.Count(l.String(), text) }

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// world is a key store and the clocks around it.
type world struct {
	t     *testing.T
	store *fakeStore
	start time.Time
	// machines counts replicas: each runs on a machine that was booted at
	// another time.
	machines int
	last     *Service // the last one that was made
}

// inWorld runs a test with a key store whose clock is an hour ahead of the
// test's own.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, start: time.Now()}
		w.store = newFakeStore(func() time.Time { return time.Now().Add(time.Hour) })
		test(t, w)
	})
}

// inWorlds is inWorld for each row of a table.
func inWorlds[T any](t *testing.T, rows map[string]T, test func(*testing.T, *world, T)) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { test(t, w, row) })
		})
	}
}

// boot is a clock that shows how long a machine has been up.
func (w *world) boot(up time.Duration) func() time.Duration {
	return func() time.Duration { return up + time.Since(w.start) }
}

func dropping(c *Config) { c.OnRefusal = RefusalDrop }

func testConfig() Config {
	c := DefaultConfig()
	c.Cluster = "prod"
	return c
}

// replica starts a plugin on a machine of its own and lets it come to rest.
func (w *world) replica(change func(*Config)) *replica {
	w.t.Helper()
	w.machines++
	return w.replicaWith(change, nil)
}

// replicaWith starts one on the machine of the last, with parts changed.
func (w *world) replicaWith(change func(*Config), parts func(*Parts)) *replica {
	w.t.Helper()
	c := testConfig()
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		w.t.Fatal(err)
	}
	buffer := &lines{}
	log := slog.New(slog.NewJSONHandler(buffer, nil))
	boot := w.boot(time.Duration(w.machines) * 100 * time.Hour)
	store := fakeClient{w.store, boot}
	p := Parts{
		Writes: Source{Name: "vault", Path: "transit/k8s", Backend: store},
		Boot:   boot, Metrics: NewMetrics(prometheus.NewRegistry()), Log: log,
	}
	if parts != nil {
		parts(&p)
	}
	r := &replica{t: w.t, log: buffer, kms: NewService(c, p)}
	w.last = r.kms
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { r.kms.Run(ctx); close(done) }()
	r.stop = func() { cancel(); <-done }
	w.t.Cleanup(r.stop)
	time.Sleep(keystate.ProvisionPause) // every version is ready
	synctest.Wait()
	return r
}

func (r *replica) encrypt(seed string) (*service.EncryptResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.kms.config.RequestTimeout)
	defer cancel()
	return r.kms.Encrypt(ctx, "uid", []byte(seed))
}

func (r *replica) mustEncrypt(seed string) *service.EncryptResponse {
	r.t.Helper()
	e, err := r.encrypt(seed)
	if err != nil {
		r.t.Fatalf("encrypt: %v", err)
	}
	if s, err := r.kms.Status(context.Background()); err != nil || s.KeyID != e.KeyID || s.Healthz != "ok" || s.Version != "v2" {
		r.t.Fatalf("status %+v, %v disagrees with the key_id %s of Encrypt", s, err, e.KeyID)
	}
	return e
}

func (r *replica) decrypt(e *service.EncryptResponse) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.kms.config.RequestTimeout)
	defer cancel()
	seed, err := r.kms.Decrypt(ctx, "uid", &service.DecryptRequest{Ciphertext: e.Ciphertext, KeyID: e.KeyID, Annotations: e.Annotations})
	return string(seed), err
}

func (r *replica) mustDecrypt(e *service.EncryptResponse, want string) {
	r.t.Helper()
	if got, err := r.decrypt(e); err != nil || got != want {
		r.t.Fatalf("decrypt: got %q, %v, want %q", got, err, want)
	}
}

func (r *replica) mustNotEncrypt(c codes.Code, texts ...string) {
	r.t.Helper()
	_, err := r.encrypt("x")
	wants(r.t, err, c, texts...)
}

func (r *replica) mustNotDecrypt(e *service.EncryptResponse, c codes.Code, texts ...string) {
	r.t.Helper()
	_, err := r.decrypt(e)
	wants(r.t, err, c, texts...)
}

// setOnRefusal changes the setting, and waits until it is in force.
func (r *replica) setOnRefusal(onRefusal string) {
	r.t.Helper()
	if err := r.kms.SetOnRefusal(onRefusal); err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
}

func (r *replica) version() int { return r.kms.writer().Snapshot().Choice.Version }

func (r *replica) mustWriteWith(version int) {
	r.t.Helper()
	if v := r.version(); v != version {
		r.t.Errorf("version %d writes, want %d", v, version)
	}
}

func (r *replica) mustLog(text string, times int) {
	r.t.Helper()
	if n := r.log.count(text); n != times {
		r.t.Errorf("the log says %q %d times, want %d", text, n, times)
	}
}

func (r *replica) mustHoldKEKs(want int) {
	r.t.Helper()
	if n := r.kms.writer().Snapshot().LocalKEKs(); n != want {
		r.t.Errorf("%d local KEKs are held, want %d", n, want)
	}
}

// wants checks the gRPC code and the text that the API server would see.
func wants(t *testing.T, err error, c codes.Code, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", c)
	}
	told := status.Convert(public(err))
	if told.Code() != c {
		t.Fatalf("got %v %q, want %v", told.Code(), told.Message(), c)
	}
	for _, text := range texts {
		if !strings.Contains(told.Message(), text) {
			t.Fatalf("%q does not say %q", told.Message(), text)
		}
	}
}

// suspended reports whether nothing new is wrapped although the key is served.
func (r *replica) suspended() bool {
	_, err := r.kms.writer().Snapshot().Writable(r.kms.boot())
	return err != nil && r.statusErr() == nil
}

func (r *replica) statusErr() error {
	_, err := r.kms.Status(context.Background())
	return err
}

func vaultGone() error {
	return &backend.Error{Class: backend.Outage, Op: "test", Reason: "Vault is sealed"}
}

func keyRefused() error {
	return &backend.Error{Class: backend.Refusal, Op: "test", Reason: "permission denied on the key"}
}

func TestAReplicaSealsAndOpensWithoutAskingVault(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		r := w.replica(nil)
		before := w.store.count()
		e := r.mustEncrypt("seed")
		r.mustDecrypt(e, "seed")
		if n := w.store.count() - before; n != 0 {
			t.Errorf("%d requests", n)
		}
		if before > 4 {
			t.Errorf("%d requests to get ready, want at most 4", before)
		}
	})
}

func TestAKeyMadeAnewIsWrittenWithAndTheOldOneReadUntilItsLeaseEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		old := r.mustEncrypt("old")
		time.Sleep(time.Hour)
		w.store.recreate()
		time.Sleep(40 * time.Second)
		fresh := r.mustEncrypt("new")
		if fresh.KeyID == old.KeyID {
			t.Error("two keys share a key_id")
		}
		r.mustDecrypt(old, "old")
		if !strings.Contains(r.log.String(), "another one than before") {
			t.Error("the log says nothing")
		}
		if h := r.kms.writer().Snapshot().Risks; len(h) != 1 || h[0].Name != "key_replaced" {
			t.Errorf("risks: %v", h)
		}
		time.Sleep(25 * time.Hour)
		r.mustDecrypt(fresh, "new")
		r.mustNotDecrypt(old, codes.InvalidArgument, "message authentication failed")
	})
}

func TestALocalKeyThatDoesNotComeBackIsNeverSealedWith(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.set(func(s *fakeStore) { s.garble = true })
		r := w.replica(nil)
		if r.statusErr() == nil {
			t.Error("serves with a local KEK that Vault does not give back")
		}
		w.store.set(func(s *fakeStore) { s.garble = false })
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
	})
}

func TestWithoutHMACReadingGoesOnAndTheReasonIsGiven(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		e := w.replica(nil).mustEncrypt("seed")
		w.store.set(func(s *fakeStore) { s.failItem["hmac"] = keyRefused() })
		r := w.replica(nil)
		wants(t, r.statusErr(), codes.PermissionDenied, "not ready", "permission denied")
		r.mustDecrypt(e, "seed")
	})
}
