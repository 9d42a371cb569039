package client

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// token returns the token that c uses at present.
func token(t testing.TB, c *testClient) string {
	t.Helper()
	s, err := c.tokens.get(t.Context())
	must(t, err)
	return s.token
}

func (f *fixture) revoke(token string) {
	f.t.Helper()
	f.write("auth/token/revoke", map[string]any{"token": token})
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
	vault := vaulttest.Shared(t)
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
			f := newFixtureIn(t, vault, tc.settings)
			c, obs := f.client(func(cfg *Config) {
				if tc.settings != nil {
					return
				}
				file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name), "12s")
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
			if n := obs.Refused[string(opReadKey)]; n != 0 {
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
	first, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name), "1h")
	must(t, err)
	c, _ := f.client(func(cfg *Config) { cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: first} })
	old := token(t, c)
	runInBackground(t, c)
	_, err = f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name), "1h") // by renaming, as Vault Agent does
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
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name)))
	must(t, reads(t, c))
	if n := obs.count(opLogin); n != 1 {
		t.Errorf("%d logins, want the first one", n)
	}
}

// TestATokenThatIsRefusedFromTheStartIsNoRefusalOfTheKey has everything that Vault
// answers with one and the same 403.
func TestATokenThatIsRefusedFromTheStartIsNoRefusalOfTheKey(t *testing.T) {
	vault := vaulttest.Shared(t)
	noLeaks(t)
	for _, row := range []struct {
		name         string
		breaks, heal func(f *fixture)
	}{
		{
			"the policy was deleted",
			func(f *fixture) { must(t, f.vault.Client().Sys().DeletePolicyWithContext(t.Context(), f.role.Name)) },
			func(f *fixture) { must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name))) },
		},
		{
			"the policy lacks the line",
			func(f *fixture) {
				must(t, f.vault.PutPolicy(t.Context(), f.role.Name, `path "x" { capabilities = ["read"] }`))
			},
			func(f *fixture) { must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name))) },
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
			f := newFixtureIn(t, vault, nil)
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
		obs.Lock()
		defer obs.Unlock()
		return fmt.Sprint(obs.Lookups)
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
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, strings.ReplaceAll(cluster.KeyPolicy(f.role.Name), "lookup-self", "elsewhere")))
	f.revoke(token(t, c))
	must(t, reads(t, c))
	told(obs, "[true false]")

	byFile, obs := f.client(func(cfg *Config) {
		file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name), "1h")
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
	for _, client := range c.vault.clients {
		if got := client.Namespace() + client.Token(); got != "" {
			t.Errorf("taken from the environment: %q", got)
		}
	}

	untrusting, _ := f.client(func(cfg *Config) { cfg.CAFile = "" })
	_, err = untrusting.ReadKey(t.Context())
	failed(t, err, backend.Outage, "Vault's certificate is signed by an unknown authority")
}

// newClientWithToken returns a client whose token file holds token.
func newClientWithToken(f *fixture, token string) (*testClient, string) {
	f.t.Helper()
	file := vaulttest.TokenFile(f.t, token)
	c, _ := f.client(func(cfg *Config) { cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: file} })
	return c, file
}

// TestNoCredentialIsEverShown plants recognisable secrets and looks for them in
// everything that this package writes or returns.
func TestNoCredentialIsEverShown(t *testing.T) {
	f := newFixture(t, map[string]any{"token_ttl": "1h"})
	c, shown := logged(t, f.cfg, slog.LevelDebug)
	c.key = f.role.Name
	note := func(what any) { fmt.Fprintf(shown, "%v %+v %#v\n", what, what, what) }

	secretID, err := os.ReadFile(f.cfg.Auth.SecretIDFile)
	must(t, err)
	secrets := map[string][]byte{
		"secret-id": bytes.TrimSpace(secretID), "body": []byte("a canary that must not sing"), "first token": []byte(token(t, c)),
	}
	must(t, reads(t, c))
	f.revoke(token(t, c))
	must(t, reads(t, c))
	secrets["second token"] = []byte(token(t, c))
	if _, err := c.tokens.renew(t.Context(), c.tokens.current); err != nil {
		t.Errorf("renew: %v", err)
	}
	note(c.LookUpSelf(t.Context()))
	_, err = c.Do(t.Context(), Request{Op: opOther, What: "write", Method: http.MethodPut, Path: "sys/policies/acl/x", Body: map[string]any{"policy": secrets["body"]}})
	note(err)
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, `path "x" { capabilities = ["read"] }`))
	note(reads(t, c))
	must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte("not-"+string(secrets["secret-id"])), 0o600))
	f.revoke(string(secrets["second token"]))
	note(reads(t, c))
	must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte("{\"secret_id\": \""+string(secrets["secret-id"])+"\"}"), 0o600))
	_, err = c.tokens.auth.login(t.Context())
	note(err)
	note(f.cfg)
	vaulttest.NotShown(t, shown.String(), secrets)
}

// TestARenewalThatIsRefusedForGoodIsNoOutage has the words of Vault 1.21.0 and its
// auth methods, all of them with HTTP status 500.
func TestARenewalThatIsRefusedForGoodIsNoOutage(t *testing.T) {
	for text, want := range map[string]backend.Class{
		"past the max TTL, cannot renew":                                                backend.Credentials,
		`failed to renew entry: role "plugin" does not exist during renewal`:            backend.Credentials,
		"client identity during renewal not matching client identity used during login": backend.Credentials,
		"policies have changed, not renewing":                                           backend.Credentials,
		`original token role "plugin" could not be found, not renewing`:                 backend.Credentials,
		"failed to validate role plugin during renewal: context deadline exceeded":      backend.Outage,
		"local node not active but active cluster node not found":                       backend.Outage,
	} {
		if got := classify(of(opRenew), Answer{Status: 500, Errors: []string{text}}); got.Class != want {
			t.Errorf("%s: %+v", text, got)
		}
		if got := classify(of(opLogin), Answer{Status: 500, Errors: []string{text}}); got.Class != backend.Outage {
			t.Errorf("a login with the answer %s: %+v", text, got)
		}
	}
}

func TestATokenWhoseRoleIsGoneIsNotRenewed(t *testing.T) {
	f := newFixture(t, nil)
	c, _ := f.client()
	bought := token(t, c)
	_, err := f.root().DeleteWithContext(t.Context(), "auth/approle/role/"+f.role.Name)
	must(t, err)
	_, err = c.tokens.renewSelf(t.Context(), bought)
	failed(t, err, backend.Credentials, "Vault does not renew the token")
	if !strings.Contains(err.Error(), "does not exist during renewal") {
		t.Errorf("Vault said %v", err)
	}
}
