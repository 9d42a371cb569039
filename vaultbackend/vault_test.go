package vaultbackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"go.uber.org/goleak"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
)

// sharedCluster holds one Vault for all tests that do not stop or seal it.
// It starts with the first test that asks.
var sharedCluster struct {
	sync.Mutex
	cluster *cluster.Cluster
	vault   *cluster.Vault
}

func TestMain(m *testing.M) {
	code := m.Run()
	if c := sharedCluster.cluster; c != nil {
		if code != 0 {
			c.KeepLogs()
		}
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the shared Vault:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func startShared(ctx context.Context) (*cluster.Vault, error) {
	sharedCluster.Lock()
	defer sharedCluster.Unlock()
	if sharedCluster.vault != nil {
		return sharedCluster.vault, nil
	}
	binaries, err := components.Build(ctx, os.Stderr, components.Vault)
	if err != nil {
		return nil, err
	}
	c, err := cluster.New(cluster.Options{Binaries: binaries})
	if err != nil {
		return nil, err
	}
	sharedCluster.cluster = c
	sharedCluster.vault, err = c.StartVault(ctx, 1)
	return sharedCluster.vault, err
}

// fixture is one Transit key, a role that may use it, and a Vault they are in.
type fixture struct {
	t     testing.TB
	vault *cluster.Vault
	role  cluster.AppRole
	cfg   Config
}

// newFixture makes a key and a role named after the test, in the shared Vault.
func newFixture(t testing.TB, roleSettings map[string]any) *fixture {
	t.Helper()
	vault, err := startShared(t.Context())
	must(t, err)
	noLeaks(t)
	return newFixtureIn(t, vault, nil, roleSettings)
}

func newFixtureIn(t testing.TB, vault *cluster.Vault, keySettings, roleSettings map[string]any) *fixture {
	t.Helper()
	name := fmt.Sprintf("k%d", time.Now().UnixNano())
	must(t, vault.CreateKey(t.Context(), name, keySettings))
	role, err := vault.AppRole(t.Context(), name, cluster.KeyPolicy(name), roleSettings)
	must(t, err)
	cfg := DefaultConfig()
	cfg.Address, cfg.CAFile, cfg.Key = []string{vault.Address(0)}, vault.CAFile(), name
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = role.RoleID, role.SecretIDFile
	return &fixture{t: t, vault: vault, role: role, cfg: cfg}
}

// root returns a client that may do everything.
func (f *fixture) root() *api.Logical { return f.vault.Client().Logical() }

func (f *fixture) write(path string, data map[string]any) {
	f.t.Helper()
	_, err := f.root().WriteWithContext(f.t.Context(), path, data)
	must(f.t, err)
}

// client returns a client of the key that ends with the test.
func (f *fixture) client(change ...func(*Config)) (*Client, *recorder) {
	f.t.Helper()
	cfg := f.cfg
	for _, c := range change {
		c(&cfg)
	}
	return newClient(f.t, cfg)
}

func newClient(t testing.TB, cfg Config) (*Client, *recorder) {
	t.Helper()
	obs := &recorder{}
	start := time.Now()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := New(cfg, log, func() time.Duration { return time.Since(start) }, obs)
	must(t, err)
	t.Cleanup(client.Close)
	return client, obs
}

// noLeaks checks that every goroutine started after it has ended with the test.
// Call it before newClient, whose own cleanup has to come first.
func noLeaks(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		// The cluster's own clients speak HTTP/2; the one under test does not.
		goleak.VerifyNone(t, before,
			goleak.IgnoreAnyFunction("net/http.(*http2ClientConn).readLoop"),
			goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait")) // of a Vault that was restarted
	})
}

// recorder is an Observer that remembers.
type recorder struct {
	mu       sync.Mutex
	requests map[string]int
	refused  map[string]int // requests that failed with backend.Credentials
	tokens   []time.Time
	batches  []int
	lookups  []bool // whether tokens may look themselves up
}

func (r *recorder) Request(op string, class backend.Class, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests == nil {
		r.requests, r.refused = map[string]int{}, map[string]int{}
	}
	r.requests[op]++
	if class == backend.Credentials {
		r.refused[op]++
	}
}

func (r *recorder) Token(expires time.Time, _ bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens = append(r.tokens, expires)
}

func (r *recorder) SelfLookup(allowed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookups = append(r.lookups, allowed)
}

func (r *recorder) Batch(items int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, items)
}

func (r *recorder) count(op operation) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[string(op)]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until repeats step until done, and fails the test where that takes a minute.
func until(t testing.TB, what string, done func() bool, step func()) {
	t.Helper()
	for start := time.Now(); !done(); step() {
		if time.Since(start) > time.Minute {
			t.Fatalf("a minute has passed without this: %s", what)
		}
	}
}

// failed checks that err is of a class and has a reason.
func failed(t testing.TB, err error, class backend.Class, reason string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v: %s", class, reason)
	}
	if _, ok := errors.AsType[*backend.Error](err); !ok {
		t.Errorf("error is not classified: %v", err)
	}
	if got := backend.ClassOf(err); got != class {
		t.Errorf("class %v, want %v, of: %v", got, class, err)
	}
	if got := backend.ReasonOf(err); got != reason {
		t.Errorf("reason %q, want %q, of: %v", got, reason, err)
	}
}

// encrypt wraps plaintexts under a version and fails the test where that fails.
func encrypt(t testing.TB, c *Client, version int, ad string, plaintexts ...string) [][]byte {
	t.Helper()
	items := make([]backend.EncryptItem, len(plaintexts))
	for i, p := range plaintexts {
		items[i] = backend.EncryptItem{Version: version, Plaintext: []byte(p), AssociatedData: []byte(ad)}
	}
	results, err := c.Encrypt(t.Context(), items)
	must(t, err)
	ciphertexts := make([][]byte, len(results))
	for i, r := range results {
		must(t, r.Err)
		ciphertexts[i] = r.Data
	}
	return ciphertexts
}

// decrypt opens one ciphertext.
func decrypt(ctx context.Context, c *Client, ciphertext []byte, ad string) ([]byte, error) {
	results, err := c.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: ciphertext, AssociatedData: []byte(ad)}})
	if err != nil {
		return nil, err
	}
	return results[0].Data, results[0].Err
}
