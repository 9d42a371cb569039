package kmsplugin

import (
	"context"
	"errors"
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
		_, err := r.decrypt(old)
		wants(t, err, codes.InvalidArgument, "message authentication failed")
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

func TestTooManyWaitingRequestsAreTurnedAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		w.store.set(func(s *fakeStore) { s.hang = true })
		ctx, release := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for range maxWaiting { // more than may ask at a time
			waiting.Go(func() { _, _ = r.kms.Encrypt(ctx, "uid", []byte("x")) })
		}
		synctest.Wait()
		_, err := r.encrypt("x")
		wants(t, err, codes.ResourceExhausted, "too many requests")
		release()
		waiting.Wait()
		w.store.set(func(s *fakeStore) { s.hang = false })
		if _, err := r.encrypt("x"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestStoppingDropsEveryKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("x")
		r.stop()
		if snap := r.kms.writer().Snapshot(); snap.LocalKEKs() != 0 {
			t.Error("keys are still held")
		}
		if _, err := r.kms.Status(t.Context()); !errors.Is(err, keystate.ErrNotReady) {
			t.Errorf("got %v", err)
		}
		_ = e
	})
}
