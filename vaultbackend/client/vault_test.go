package client

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
	"github.com/sealproof/sealproof/test/vaulttest"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

var must, until, failed, noLeaks = testkit.Check, vaulttest.Until, vaulttest.Failed, vaulttest.NoLeaks

// What a client is for, in these tests: one Transit key.
const (
	opReadKey Operation = "read_key"
	opDecrypt Operation = "decrypt"
	opOther   Operation = "other" // what it is not for
	noKey               = "encryption key not found"
)

// testClient is a Client that reads one key.
type testClient struct {
	*Client
	key string
}

func (c *testClient) ReadKey(ctx context.Context) (Answer, error) {
	q := of(opReadKey)
	q.Path = "transit/keys/" + c.key
	return c.Do(ctx, q.Request)
}

func reads(t *testing.T, c *testClient) error {
	t.Helper()
	_, err := c.ReadKey(t.Context())
	return err
}

// of is a request for an operation.
func of(op Operation) query {
	q := query{Request: Request{Op: op, What: string(op), Method: http.MethodGet, Path: "x"}}
	if op == opReadKey || op == opDecrypt {
		q.Confirm, q.Missing = true, noKey
	}
	return q
}

// fixture is a Vault with a Transit key and a role that may use it, of one name.
type fixture struct {
	t     testing.TB
	vault *cluster.Vault
	role  cluster.AppRole
	cfg   Config
}

// newFixture makes a key and a role in the shared Vault.
func newFixture(t testing.TB, roleSettings map[string]any) *fixture {
	t.Helper()
	vault := vaulttest.Shared(t)
	noLeaks(t)
	return newFixtureIn(t, vault, roleSettings)
}

func newFixtureIn(t testing.TB, vault *cluster.Vault, roleSettings map[string]any) *fixture {
	t.Helper()
	role := vaulttest.NewRole(t, vault, nil, roleSettings)
	return &fixture{t: t, vault: vault, role: role, cfg: Config{
		Address: []string{vault.Address(0)}, CAFile: vault.CAFile(),
		Auth: AuthConfig{Method: MethodAppRole, RoleID: role.RoleID, SecretIDFile: role.SecretIDFile},
	}}
}

// root returns a client that may do everything.
func (f *fixture) root() *api.Logical { return f.vault.Client().Logical() }

func (f *fixture) write(path string, data map[string]any) {
	f.t.Helper()
	vaulttest.Write(f.t, f.vault, path, data)
}

// client returns a client that ends with the test.
func (f *fixture) client(change ...func(*Config)) (*testClient, *recorder) {
	f.t.Helper()
	cfg := f.cfg
	for _, c := range change {
		c(&cfg)
	}
	c, obs := newClient(f.t, cfg)
	c.key = f.role.Name
	return c, obs
}

func newClient(t testing.TB, cfg Config) (*testClient, *recorder) {
	t.Helper()
	obs := &recorder{}
	start := time.Now()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := New(cfg, log, func() time.Duration { return time.Since(start) }, obs)
	must(t, err)
	t.Cleanup(client.Close)
	return &testClient{client, "k"}, obs
}

// logged returns a client whose log is kept. It ends with the test.
func logged(t testing.TB, cfg Config, level slog.Level) (*testClient, *transcript) {
	t.Helper()
	log := &transcript{}
	client, err := New(cfg, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level})), func() time.Duration { return 0 }, nil)
	must(t, err)
	t.Cleanup(client.Close)
	return &testClient{client, "k"}, log
}

type recorder struct{ vaulttest.Recorder }

func (r *recorder) count(op Operation) int { return r.Count(string(op)) }

// fakeVault returns a client of a server that accepts every login and leaves
// everything else to answer.
func fakeVault(t testing.TB, answer http.HandlerFunc) *testClient {
	t.Helper()
	noLeaks(t)
	c, _ := newClient(t, fakeConfig(t, vaulttest.FakeNode(t, vaulttest.LetIn(answer))))
	return c
}

// fakeConfig logs in to nodes with a secret-id.
func fakeConfig(t testing.TB, addresses ...string) Config {
	t.Helper()
	return Config{Address: addresses, Auth: AuthConfig{Method: MethodAppRole, RoleID: "id", SecretIDFile: vaulttest.SecretIDFile(t)}}
}

// runInBackground runs c until the test ends.
func runInBackground(t testing.TB, c *testClient) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// transcript keeps what is written to it by several goroutines.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
