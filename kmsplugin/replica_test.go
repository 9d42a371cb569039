package kmsplugin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealproof/sealproof/internal/transit"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
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

func TestInAnOutageEveryReplicaOpensWhatAnyOtherWrote(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		a, b := w.replica(nil), w.replica(nil) // b never writes
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(time.Hour)
		e := a.mustEncrypt("written during the outage")
		b.mustDecrypt(e, "written during the outage")
	})
}

func TestReplicasSwitchTogetherAtTheAnnouncedInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		a, b := w.replica(nil), w.replica(nil)
		time.Sleep(10*time.Minute + 170*time.Millisecond)
		old := a.mustEncrypt("old")
		w.store.rotate()
		instant := w.store.key.Created[2].Add(3 * time.Minute).Add(-time.Hour) // on our clock
		time.Sleep(40 * time.Second)
		if c := a.kms.writer().Snapshot().Choice; c.Next != 2 || !c.At.Equal(instant.Add(time.Hour)) {
			t.Fatalf("announced: version %d at %v", c.Next, c.At)
		}
		time.Sleep(time.Until(instant.Add(-600 * time.Millisecond)))
		for _, r := range []*replica{a, b} {
			if e := r.mustEncrypt("x"); e.KeyID != old.KeyID {
				t.Error("switched too early")
			}
		}
		time.Sleep(1200 * time.Millisecond)
		one, two := a.mustEncrypt("new"), b.mustEncrypt("new")
		if one.KeyID == old.KeyID || one.KeyID != two.KeyID {
			t.Errorf("after the instant: %s and %s, before %s", one.KeyID, two.KeyID, old.KeyID)
		}
		b.mustDecrypt(old, "old")
		b.mustDecrypt(one, "new")
	})
}

func TestNobodyPromotesInAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		r := w.replica(nil)
		old := r.mustEncrypt("x")
		w.store.rotate()
		time.Sleep(35 * time.Second) // the rotation is seen
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(time.Hour)
		if e := r.mustEncrypt("x"); e.KeyID != old.KeyID {
			t.Error("promoted without Vault")
		}
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(2 * time.Minute) // others may see Vault again later
		if e := r.mustEncrypt("x"); e.KeyID != old.KeyID {
			t.Error("promoted as soon as Vault returned")
		}
		time.Sleep(time.Minute + 10*time.Second)
		if e := r.mustEncrypt("x"); e.KeyID == old.KeyID {
			t.Error("not promoted after Vault returned")
		}
	})
}

func TestAnOutageIsBridgedForAsLongAsTheLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("seed")
		time.Sleep(100 * time.Hour) // several leases of good service
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(23*time.Hour + 58*time.Minute)
		r.mustEncrypt("still")
		r.mustDecrypt(e, "seed")
		time.Sleep(3 * time.Minute)
		wants(t, r.statusErr(), codes.Unavailable, "lease", "sealed")
		_, err := r.encrypt("x")
		wants(t, err, codes.Unavailable, "lease")
		_, err = r.decrypt(e)
		wants(t, err, codes.Unavailable, "lease")
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(10 * time.Second)
		r.mustEncrypt("again")
		r.mustDecrypt(e, "seed")
	})
}

func TestAReplicaThatStartsInAnOutageWaitsAndSaysWhy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		r := w.replica(nil)
		wants(t, r.statusErr(), codes.Unavailable, "not ready", "Vault is sealed")
		_, err := r.encrypt("x")
		wants(t, err, codes.Unavailable, "not ready", "Vault is sealed")
		time.Sleep(time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "Vault is sealed")
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
	})
}

func TestOneRefusalSuspendsAndASecondDropsWhereThatIsWanted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(dropping)
		e := r.mustEncrypt("seed")
		r.mustDecrypt(w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("opened by Vault"), "opened by Vault")
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		for !r.suspended() {
			time.Sleep(100 * time.Millisecond)
		}
		if err := r.statusErr(); err != nil {
			t.Errorf("status fails on a suspicion: %v", err)
		}
		_, err := r.encrypt("x")
		wants(t, err, codes.PermissionDenied, "permission denied on the key")
		r.mustDecrypt(e, "seed")
		time.Sleep(7 * time.Second)
		wants(t, r.statusErr(), codes.PermissionDenied, "permission denied on the key")
		_, err = r.encrypt("x")
		wants(t, err, codes.PermissionDenied)
		_, err = r.decrypt(e)
		wants(t, err, codes.PermissionDenied)
		if n := r.kms.writer().Snapshot().LocalKEKs(); n != 0 {
			t.Errorf("%d local KEKs still held", n)
		}
		if seeds, _ := r.kms.cache.len(); seeds != 0 {
			t.Errorf("%d opened seeds still held", seeds)
		}
		w.store.set(func(s *fakeStore) { s.fail = nil })
		time.Sleep(7 * time.Second)
		if again := r.mustEncrypt("x"); again.KeyID != e.KeyID {
			t.Error("another key_id afterwards")
		}
		r.mustDecrypt(e, "seed")
	})
}

func TestARefusalCanBeBridgedLikeAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.OnRefusal = RefusalLease })
		e := r.mustEncrypt("seed")
		w.store.set(func(s *fakeStore) { s.fail = keyRefused() })
		time.Sleep(23 * time.Hour)
		r.mustEncrypt("x")
		r.mustDecrypt(e, "seed")
		time.Sleep(2 * time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "lease")
	})
}

func TestARefusedLoginIsNoRefusalOfTheKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("seed")
		w.store.set(func(s *fakeStore) {
			s.fail = &backend.Error{Class: backend.Credentials, Op: "log in", Reason: "secret-id expired"}
		})
		time.Sleep(20 * time.Hour)
		r.mustEncrypt("x")
		r.mustDecrypt(e, "seed")
	})
}

func TestARaisedMinimumTakesOldVersionsAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		old := r.mustEncrypt("old")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 2 })
		time.Sleep(40 * time.Second)
		now := r.mustEncrypt("new")
		if now.KeyID == old.KeyID {
			t.Error("still writes with a version below the minimum")
		}
		_, err := r.decrypt(old)
		wants(t, err, codes.FailedPrecondition, "version 1", "minimum")
		w.store.set(func(s *fakeStore) { s.key.MinDecryption = 1 })
		time.Sleep(40 * time.Second)
		r.mustDecrypt(old, "old")
		r.mustDecrypt(now, "new")
	})
}

func TestWhatHMACNoLongerDerivesIsUnwrappedAndLeased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		writer := w.replica(nil)
		old := writer.mustEncrypt("old")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		r := w.replica(nil) // cannot derive version 1
		r.mustDecrypt(old, "old")
		before := w.store.count()
		r.mustDecrypt(old, "old")
		if w.store.count() != before {
			t.Error("unwrapped twice")
		}
		time.Sleep(50 * time.Hour) // probes extend its lease
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(20 * time.Hour)
		r.mustDecrypt(old, "old")
		time.Sleep(5 * time.Hour)
		_, err := r.decrypt(old)
		wants(t, err, codes.Unavailable, "lease")
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

func TestBothEnvelopesReadEachOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		local := w.replica(nil)
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		one, two := local.mustEncrypt("one"), direct.mustEncrypt("two")
		if !bytes.HasPrefix(two.Ciphertext, []byte("vault:v1:")) || one.KeyID != two.KeyID {
			t.Errorf("direct form: %q under %s, want %s", two.Ciphertext, two.KeyID, one.KeyID)
		}
		local.mustDecrypt(two, "two")
		direct.mustDecrypt(one, "one")
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(20 * time.Hour)
		local.mustDecrypt(two, "two")
		direct.mustDecrypt(one, "one")
		direct.mustDecrypt(two, "two") // what it wrote itself it never had to open
		_, err := direct.encrypt("x")
		wants(t, err, codes.Unavailable, "Vault is sealed")
	})
}

func TestAnotherPluginsCiphertextIsTakenOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		bare := w.store.bare(t, "seed")
		w.replica(nil).mustDecrypt(bare, "seed")
		strict := w.replica(func(c *Config) { c.Decrypt.RequireAssociatedData = true })
		_, err := strict.decrypt(bare)
		wants(t, err, codes.FailedPrecondition, "decrypt.require-associated-data")
	})
}

func TestAnotherClustersCiphertextIsRefusedByName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, envelope := range []string{EnvelopeLocal, EnvelopeVault} {
			e := w.replica(func(c *Config) { c.Cluster, c.Envelope = "staging", envelope }).mustEncrypt("seed")
			_, err := w.replica(nil).decrypt(e)
			wants(t, err, codes.FailedPrecondition, `"staging"`, `"prod"`, "accept-clusters")
			w.replica(func(c *Config) { c.AcceptClusters = []string{"staging"} }).mustDecrypt(e, "seed")
			moved := *e
			moved.Annotations = map[string][]byte{transit.AnnotationCluster: []byte("prod")}
			if kek := e.Annotations[transit.AnnotationKEK]; kek != nil {
				moved.Annotations[transit.AnnotationKEK] = kek
			}
			_, err = w.replica(nil).decrypt(&moved)
			wants(t, err, codes.InvalidArgument)
		}
	})
}

func TestTamperedRequestsAreInvalid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		for name, change := range map[string]func(*service.EncryptResponse){
			"a flipped bit in the seed":        func(e *service.EncryptResponse) { e.Ciphertext[30] ^= 1 },
			"a flipped bit in the fingerprint": func(e *service.EncryptResponse) { e.Ciphertext[3] ^= 1 },
			"another key_id":                   func(e *service.EncryptResponse) { e.KeyID = "v1.00" },
			"another wrapped key":              func(e *service.EncryptResponse) { e.Annotations[transit.AnnotationKEK] = []byte("vault:v1:00") },
			"no annotations":                   func(e *service.EncryptResponse) { e.Annotations = nil },
			"nothing":                          func(e *service.EncryptResponse) { e.Ciphertext = nil },
		} {
			e := r.mustEncrypt("seed")
			change(e)
			_, err := r.decrypt(e)
			t.Log(name)
			wants(t, err, codes.InvalidArgument)
		}
		_, err := r.encrypt("")
		wants(t, err, codes.InvalidArgument, "empty plaintext")
		_, err = r.encrypt(strings.Repeat("x", envelope.MaxSeed+1))
		wants(t, err, codes.InvalidArgument, "the limit is 512")
	})
}

func TestAHungVaultHoldsNobodyBeyondTheDeadline(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		e := direct.mustEncrypt("seed")
		local := w.replica(nil)
		w.store.set(func(s *fakeStore) { s.hang = true })
		time.Sleep(time.Minute)
		start := time.Now()
		_, err := local.decrypt(e)
		if took := time.Since(start); took > 2500*time.Millisecond {
			t.Errorf("held for %v", took)
		}
		wants(t, err, codes.DeadlineExceeded)
		start = time.Now()
		local.mustEncrypt("x")
		if took := time.Since(start); took != 0 {
			t.Errorf("Encrypt waited %v for Vault", took)
		}
		// A promotion instant that falls into a hung probe is another test's.
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

func TestAnOutageIsReportedWhenAskedFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.Outage.ReportAfter = 10 * time.Minute })
		e := r.mustEncrypt("x")
		w.store.set(func(s *fakeStore) { s.fail = vaultGone() })
		time.Sleep(5 * time.Minute)
		r.mustEncrypt("x")
		time.Sleep(10 * time.Minute)
		s, err := r.kms.Status(t.Context())
		if err != nil || s.KeyID != e.KeyID || !strings.Contains(s.Healthz, "sealed") {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

func TestAnUnsuitableKeyIsNamed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.set(func(s *fakeStore) {
			s.fail = &backend.Error{Class: backend.Unsuitable, Op: "read key", Reason: "its type is rsa-4096"}
		})
		wants(t, w.replica(nil).statusErr(), codes.FailedPrecondition, "rsa-4096")
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
