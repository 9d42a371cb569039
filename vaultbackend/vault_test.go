package vaultbackend

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
	"github.com/sealproof/sealproof/test/vaulttest"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

var must, until, failed, noLeaks = testkit.Check, vaulttest.Until, vaulttest.Failed, vaulttest.NoLeaks

// fixture is one Transit key, a role that may use it, and a Vault they are in.
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
	return newFixtureIn(t, vault, nil, roleSettings)
}

func newFixtureIn(t testing.TB, vault *cluster.Vault, keySettings, roleSettings map[string]any) *fixture {
	t.Helper()
	role := vaulttest.NewRole(t, vault, keySettings, roleSettings)
	cfg := DefaultConfig()
	cfg.Address, cfg.CAFile, cfg.Key = []string{vault.Address(0)}, vault.CAFile(), role.Name
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = role.RoleID, role.SecretIDFile
	return &fixture{t: t, vault: vault, role: role, cfg: cfg}
}

// root returns a client that may do everything.
func (f *fixture) root() *api.Logical { return f.vault.Client().Logical() }

func (f *fixture) write(path string, data map[string]any) {
	f.t.Helper()
	vaulttest.Write(f.t, f.vault, path, data)
}

// revokeTokens revokes the tokens of all AppRoles of the Vault.
func (f *fixture) revokeTokens() {
	f.t.Helper()
	f.write("sys/leases/revoke-prefix/auth/approle/login", nil)
}

// key returns the key, which is closed when the test ends.
func (f *fixture) key(change ...func(*Config)) (*Key, *recorder) {
	f.t.Helper()
	cfg := f.cfg
	for _, c := range change {
		c(&cfg)
	}
	return newKey(f.t, cfg)
}

func newKey(t testing.TB, cfg Config) (*Key, *recorder) {
	t.Helper()
	obs := &recorder{}
	start := time.Now()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	k, err := New(cfg, log, func() time.Duration { return time.Since(start) }, obs)
	must(t, err)
	t.Cleanup(k.Close)
	return k, obs
}

const opLogin client.Operation = "login"

type recorder struct{ vaulttest.Recorder }

func (r *recorder) count(op client.Operation) int { return r.Count(string(op)) }

// fakeVault returns a key in a server that accepts every login and leaves
// everything else to answer.
func fakeVault(t testing.TB, answer http.HandlerFunc) *Key {
	t.Helper()
	noLeaks(t)
	k, _ := newKey(t, fakeConfig(t, vaulttest.FakeNode(t, vaulttest.LetIn(answer))))
	return k
}

// fakeConfig logs in to nodes with a secret-id.
func fakeConfig(t testing.TB, addresses ...string) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Address, cfg.Key, cfg.Auth.RoleID, cfg.Auth.SecretIDFile = addresses, "k", "id", vaulttest.SecretIDFile(t)
	return cfg
}

func reads(t *testing.T, k *Key) error {
	t.Helper()
	_, err := k.ReadKey(t.Context())
	return err
}

// encrypt wraps plaintexts under a version and fails the test where that fails.
func encrypt(t testing.TB, k *Key, version int, ad string, plaintexts ...string) [][]byte {
	t.Helper()
	items := make([]backend.EncryptItem, len(plaintexts))
	for i, p := range plaintexts {
		items[i] = backend.EncryptItem{Version: version, Plaintext: []byte(p), AssociatedData: []byte(ad)}
	}
	results, err := k.Encrypt(t.Context(), items)
	must(t, err)
	ciphertexts := make([][]byte, len(results))
	for i, r := range results {
		must(t, r.Err)
		ciphertexts[i] = r.Data
	}
	return ciphertexts
}

// decrypt opens one ciphertext.
func decrypt(ctx context.Context, k *Key, ciphertext []byte, ad string) ([]byte, error) {
	results, err := k.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: ciphertext, AssociatedData: []byte(ad)}})
	if err != nil {
		return nil, err
	}
	return results[0].Data, results[0].Err
}
