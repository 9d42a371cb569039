package vaultbackend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
)

// token returns the token that c uses at present.
func token(t testing.TB, c *Client) string {
	t.Helper()
	s, err := c.tokens.get(t.Context())
	must(t, err)
	return s.token
}

func (f *fixture) revoke(token string) {
	f.t.Helper()
	f.write("auth/token/revoke", map[string]any{"token": token})
}

// runInBackground runs c until the test ends.
func runInBackground(t testing.TB, c *Client) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// TestATokenRevokedAmidTenThousandCallsFailsNone is the promise to API servers
// that give up at the first error, as they do while they start.
func TestATokenRevokedAmidTenThousandCallsFailsNone(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.client()
	const callers, calls, encryptEvery, revocations = 64, 10_000, 20, 3
	plaintexts := make([]string, callers)
	for i := range plaintexts {
		plaintexts[i] = fmt.Sprint("a seed of caller ", i)
	}
	sealed := encrypt(t, c, 1, "ad", plaintexts...)
	oneCall := func(ctx context.Context, caller int, call int64) error {
		if call%encryptEvery == 0 {
			results, err := c.Encrypt(ctx, []backend.EncryptItem{{Version: 1, Plaintext: []byte(plaintexts[caller]), AssociatedData: []byte("ad")}})
			if err != nil {
				return err
			}
			return results[0].Err
		}
		opened, err := decrypt(ctx, c, sealed[caller], "ad")
		if err == nil && string(opened) != plaintexts[caller] {
			err = fmt.Errorf("opened %q", opened)
		}
		return err
	}

	var wg sync.WaitGroup
	var made atomic.Int64
	for caller := range callers {
		wg.Go(func() {
			for {
				call := made.Add(1)
				if call > calls || t.Failed() {
					return
				}
				// The plugin's own deadline is far shorter; how much a busy machine
				// does within that is not what this test is about.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := oneCall(ctx, caller, call)
				cancel()
				if err != nil {
					t.Errorf("call %d: %v", call, err)
				}
			}
		})
	}
	for i := range int64(revocations) {
		until(t, "the calls go on", func() bool { return made.Load() > (i+1)*calls/(revocations+1) || t.Failed() }, runtime.Gosched)
		f.revoke(token(t, c))
	}
	wg.Wait()
	if logins := obs.count(opLogin); logins < revocations+1 || logins > 2*revocations+1 {
		t.Errorf("%d logins for %d revocations", logins, revocations)
	}
}

func TestATokenThatIsUsedUpIsReplaced(t *testing.T) {
	f := newFixture(t, map[string]any{"token_num_uses": 3})
	c, obs := f.client()
	for range 10 {
		_, err := c.ReadKey(t.Context())
		must(t, err)
	}
	if logins := obs.count(opLogin); logins < 3 {
		t.Errorf("%d logins for 10 requests at 3 each", logins)
	}
}

func TestAShortLivedTokenIsRenewedThenReplacedWithoutAGap(t *testing.T) {
	vault, err := startShared(t.Context())
	must(t, err)
	noLeaks(t)
	// A third of a token's life is left when it is renewed. That is several seconds
	// here, in which a busy machine gets round to it.
	for name, tc := range map[string]struct {
		settings         map[string]any
		logins, renewals int // that show it
	}{
		"a service token up to its maximum": {map[string]any{"token_ttl": "12s", "token_max_ttl": "18s"}, 2, 1},
		// Vault counts a batch token's life from the start of a second.
		"a batch token":       {map[string]any{"token_type": "batch", "token_ttl": "12s"}, 2, 0},
		"a periodic token":    {map[string]any{"token_period": "12s"}, 1, 2},
		"a token from a file": {nil, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixtureIn(t, vault, nil, tc.settings)
			c, obs := f.client(func(cfg *Config) {
				if tc.settings != nil {
					return
				}
				file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key), "12s")
				must(t, err)
				cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: file}
			})
			runInBackground(t, c)
			enough := func() bool { return obs.count(opLogin) >= tc.logins && obs.count(opRenew) >= tc.renewals }
			until(t, "the token is renewed and replaced", enough, func() {
				_, err := c.ReadKey(t.Context())
				must(t, err)
				time.Sleep(10 * time.Millisecond)
			})
			if n := obs.refused[string(opReadKey)]; n != 0 {
				t.Errorf("%d requests were made with a token that had ended", n)
			}
		})
	}
}

func TestASecretIDThatIsReplacedInItsFileIsUsed(t *testing.T) {
	f := newFixture(t, nil)
	good, err := os.ReadFile(f.cfg.Auth.SecretIDFile)
	must(t, err)
	must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte("00000000-0000-0000-0000-000000000000"), 0o600))
	c, obs := f.client()
	for range 20 {
		_, err = c.ReadKey(t.Context())
		failed(t, err, backend.Credentials, unknownCredentials)
	}
	if n := obs.count(opLogin); n != 1 {
		t.Errorf("%d logins for 20 requests within moments", n)
	}
	must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, append(good, '\n'), 0o600))
	until(t, "the new secret-id is used", func() bool { return err == nil }, func() { _, err = c.ReadKey(t.Context()) })
}

func TestARoleIDMayComeFromAFile(t *testing.T) {
	f := newFixture(t, nil)
	file := t.TempDir() + "/role-id"
	must(t, os.WriteFile(file, []byte(f.role.RoleID+"\n"), 0o600))
	c, _ := f.client(func(cfg *Config) { cfg.Auth.RoleID, cfg.Auth.RoleIDFile = "", file })
	_, err := c.ReadKey(t.Context())
	must(t, err)
}

func TestATokenFileIsReadAgainWhenItsTokenIsRefused(t *testing.T) {
	f := newFixture(t, nil)
	newToken := func() string {
		secret, err := f.root().WriteWithContext(t.Context(), "auth/token/create-orphan", map[string]any{"policies": []string{f.role.Name}, "ttl": "1h"})
		must(t, err)
		return secret.Auth.ClientToken
	}
	first, second := newToken(), newToken()
	c, file := newClientWithToken(f, first)
	_, err := c.ReadKey(t.Context())
	must(t, err)

	must(t, os.WriteFile(file, []byte(second), 0o600))
	f.revoke(first)
	_, err = c.ReadKey(t.Context())
	must(t, err)

	f.revoke(second)
	_, err = c.ReadKey(t.Context())
	failed(t, err, backend.Credentials, "Vault does not accept the token, or it may not look itself up")
}

func TestATokenFileThatChangesIsReadWithoutARefusal(t *testing.T) {
	f := newFixture(t, nil)
	first, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key), "1h")
	must(t, err)
	c, _ := f.client(func(cfg *Config) { cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: first} })
	old := token(t, c)
	runInBackground(t, c)
	_, err = f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key), "1h") // by renaming, as Vault Agent does
	must(t, err)
	until(t, "the new token is used", func() bool { return token(t, c) != old }, func() {
		_, err = c.ReadKey(t.Context())
		must(t, err)
	})
}

func TestAKeyThatIsRefusedCausesNoLogin(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.client()
	must(t, reads(t, c))
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.TokenPolicy))
	for range 20 {
		failed(t, reads(t, c), backend.Refusal, deniedReason)
	}
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key)))
	must(t, reads(t, c))
	if n := obs.count(opLogin); n != 1 {
		t.Errorf("%d logins, want the first one", n)
	}
}

// TestATokenThatIsRefusedFromTheStartIsNoRefusalOfTheKey has everything that Vault
// answers with one and the same 403.
func TestATokenThatIsRefusedFromTheStartIsNoRefusalOfTheKey(t *testing.T) {
	vault, err := startShared(t.Context())
	must(t, err)
	noLeaks(t)
	for _, row := range []struct {
		name         string
		breaks, heal func(f *fixture)
	}{
		{
			"the policy was deleted",
			func(f *fixture) { must(t, f.vault.Client().Sys().DeletePolicyWithContext(t.Context(), f.role.Name)) },
			func(f *fixture) { must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key))) },
		},
		{
			"the policy lacks the line",
			func(f *fixture) {
				must(t, f.vault.PutPolicy(t.Context(), f.role.Name, `path "x" { capabilities = ["read"] }`))
			},
			func(f *fixture) { must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key))) },
		},
		{
			"the address is not allowed", // Vault checks it after the login only
			func(f *fixture) {
				f.write("auth/approle/role/"+f.role.Name, map[string]any{"token_bound_cidrs": "192.0.2.0/24"})
			},
			func(f *fixture) { f.write("auth/approle/role/"+f.role.Name, map[string]any{"token_bound_cidrs": ""}) },
		},
		{
			"the role has another policy", // which takes another login
			func(f *fixture) { f.write("auth/approle/role/"+f.role.Name, map[string]any{"token_policies": "other"}) },
			func(f *fixture) {
				f.write("auth/approle/role/"+f.role.Name, map[string]any{"token_policies": f.role.Name})
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFixtureIn(t, vault, nil, nil)
			c, obs := f.client()
			row.breaks(f)
			start := time.Now()
			for range 100 {
				failed(t, reads(t, c), backend.Credentials, blindReason)
			}
			// After 0, 1, 3, 7 ... seconds, a tenth less.
			if n, most := obs.count(opLogin), 2+int(math.Log2(1+time.Since(start).Seconds()/0.9)); n > most {
				t.Errorf("%d logins in %v, want %d at most", n, time.Since(start), most)
			}
			row.heal(f)
			until(t, "the key is served", func() bool { return reads(t, c) == nil }, func() {})
		})
	}
}

func TestWhetherATokenMayLookItselfUpIsAskedAtEachLogin(t *testing.T) {
	f := newFixture(t, nil)
	seen := func(obs *recorder) string {
		obs.mu.Lock()
		defer obs.mu.Unlock()
		return fmt.Sprint(obs.lookups)
	}
	told := func(obs *recorder, want string) {
		t.Helper()
		until(t, "the look-up is made", func() bool { return len(seen(obs)) >= len(want) }, func() {})
		if got := seen(obs); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	c, obs := f.client()
	must(t, reads(t, c))
	told(obs, "[true]")
	if n := obs.count(opLookup); n != 1 {
		t.Errorf("%d look-ups, want 1", n)
	}
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, strings.ReplaceAll(cluster.KeyPolicy(f.cfg.Key), "lookup-self", "elsewhere")))
	f.revoke(token(t, c))
	must(t, reads(t, c))
	told(obs, "[true false]")

	byFile, obs := f.client(func(cfg *Config) {
		file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key), "1h")
		must(t, err)
		cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: file}
	})
	must(t, reads(t, byFile))
	told(obs, "[true]")
	if n := obs.count(opLookup); n != 1 {
		t.Errorf("%d look-ups, want only the login itself", n)
	}
}

// TestAReplacedTokenIsRevoked looks at what Vault says of the old token.
func TestAReplacedTokenIsRevoked(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.client()
	must(t, reads(t, c))
	old, err := c.tokens.acquire(t.Context()) // as a request under way
	must(t, err)
	_, err = c.tokens.replace(t.Context(), old)
	must(t, err)
	lives := func() bool {
		_, err := f.root().WriteWithContext(t.Context(), "auth/token/lookup", map[string]any{"token": old.token})
		return err == nil
	}
	must(t, reads(t, c))
	if !lives() || obs.count(opRevoke) != 0 {
		t.Error("the token was revoked under a request")
	}
	c.tokens.release(old, true)
	until(t, "the old token is revoked", func() bool { return !lives() }, func() {})
	must(t, reads(t, c))
}

func TestTheEnvironmentChangesNothing(t *testing.T) {
	f := newFixture(t, nil)
	for name, value := range map[string]string{
		"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "hvs.other",
		"VAULT_NAMESPACE": "other", "VAULT_SKIP_VERIFY": "true", "VAULT_WRAP_TTL": "60s", "VAULT_MAX_RETRIES": "9",
		"VAULT_HEADERS": `{"Content-Type":"nonsense/nonsense"}`, "VAULT_PROXY_ADDR": "http://127.0.0.1:1",
		"HTTPS_PROXY": "http://127.0.0.1:1", "VAULT_TLS_SERVER_NAME": "other",
	} {
		t.Setenv(name, value)
	}
	c, _ := f.client()
	_, err := c.ReadKey(t.Context())
	must(t, err)
	if sealed := encrypt(t, c, 1, "ad", "p")[0]; !bytes.HasPrefix(sealed, []byte("vault:v1:")) {
		t.Errorf("got %s", sealed)
	}
	for _, ch := range []channel{c.vault, c.login} {
		for _, client := range ch.clients {
			if got := client.Namespace() + client.Token(); got != "" {
				t.Errorf("taken from the environment: %q", got)
			}
		}
	}

	untrusting, _ := f.client(func(cfg *Config) { cfg.CAFile = "" })
	_, err = untrusting.ReadKey(t.Context())
	failed(t, err, backend.Outage, "Vault's certificate is signed by an unknown authority")
}

func TestACertificateForAnotherNameIsNotTrusted(t *testing.T) {
	f := newFixture(t, nil)
	c, _ := f.client(func(cfg *Config) { cfg.ServerName = "vault.example.com" })
	_, err := c.ReadKey(t.Context())
	failed(t, err, backend.Outage, "Vault's certificate is for another name")
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

// TestNoSecretIsEverShown plants recognisable secrets and looks for them in
// everything that this package writes or returns.
func TestNoSecretIsEverShown(t *testing.T) {
	f := newFixture(t, map[string]any{"token_ttl": "1h"})
	var shown transcript
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	obs := &recorder{}
	c, err := New(f.cfg, log, func() time.Duration { return 0 }, obs)
	must(t, err)
	t.Cleanup(c.Close)
	note := func(what any) { fmt.Fprintf(&shown, "%v %+v %#v\n", what, what, what) }

	secrets := map[string][]byte{"plaintext": []byte("a canary that must not sing")}
	secretID, err := os.ReadFile(f.cfg.Auth.SecretIDFile)
	must(t, err)
	secrets["secret-id"] = bytes.TrimSpace(secretID)
	secrets["first token"] = []byte(token(t, c))

	sealed := encrypt(t, c, 1, "ad", string(secrets["plaintext"]))[0]
	sums, err := c.HMAC(t.Context(), []backend.HMACItem{{Version: 1, Input: []byte("x")}})
	must(t, err)
	secrets["HMAC"] = sums[0].Data
	_, err = decrypt(t.Context(), c, sealed, "other")
	note(err)
	f.revoke(token(t, c))
	opened, err := decrypt(t.Context(), c, sealed, "ad")
	must(t, err)
	if !bytes.Equal(opened, secrets["plaintext"]) {
		t.Errorf("opened %q", opened)
	}
	secrets["second token"] = []byte(token(t, c))
	if _, err := c.tokens.prolong(t.Context(), c.tokens.current); err != nil {
		t.Errorf("renew: %v", err)
	}
	results, err := c.Encrypt(t.Context(), []backend.EncryptItem{{Version: 9, Plaintext: secrets["plaintext"]}, {Version: 1, Plaintext: bytes.Repeat(secrets["plaintext"], 10000)}})
	note(err)
	for _, r := range results {
		note(r.Err)
	}
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, `path "x" { capabilities = ["read"] }`))
	_, err = c.Encrypt(t.Context(), []backend.EncryptItem{{Version: 1, Plaintext: secrets["plaintext"]}})
	note(err)
	must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte("not-"+string(secrets["secret-id"])), 0o600))
	f.revoke(string(secrets["second token"]))
	_, err = c.ReadKey(t.Context())
	note(err)
	must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte("{\"secret_id\": \""+string(secrets["secret-id"])+"\"}"), 0o600))
	_, err = c.tokens.auth.login(t.Context())
	note(err)
	note(f.cfg)

	all := shown.String()
	if len(all) < 1000 {
		t.Fatalf("little was shown, so that this test proves nothing: %s", all)
	}
	for name, secret := range secrets {
		for form, text := range map[string]string{
			"raw": string(secret), "base64": base64.StdEncoding.EncodeToString(secret),
			"base64url": base64.RawURLEncoding.EncodeToString(secret), "hex": hex.EncodeToString(secret),
		} {
			if strings.Contains(all, text) {
				t.Errorf("the %s was shown as %s", name, form)
			}
		}
	}
}
