package vaultbackend

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/vaultfacts"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/vaulttest"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// diagnosis is what doctor says about Vault, all but what passed, as
// "id outcome".
func diagnose(t *testing.T, in Inspection) (results []doctor.Result, complaints []string) {
	t.Helper()
	in.Use.Section = "vault"
	start := time.Now()
	in.Boot = func() time.Duration { return time.Since(start) }
	facts := doctor.Facts{Now: time.Now(), Vaults: []vaultfacts.Vault{Inspect(t.Context(), in)}}
	for _, r := range doctor.Examine(facts) {
		if r.ID < "KD-400" || r.ID >= "KD-700" {
			continue
		}
		results = append(results, r)
		if text := r.ID + " " + r.Outcome.String(); r.Outcome != check.Pass && !slices.Contains(complaints, text) {
			complaints = append(complaints, text)
		}
	}
	return results, complaints
}

// TestWhatIsWrongWithVaultIsFound breaks one thing at a time in a real Vault.
func TestWhatIsWrongWithVaultIsFound(t *testing.T) {
	const unaudited = "KD-504 not evaluated" // without an admin's token
	noLogin := []string{
		"KD-501 not evaluated", "KD-502 not evaluated", "KD-503 not evaluated", "KD-505 not evaluated",
		"KD-601 not evaluated", "KD-602 not evaluated", "KD-603 not evaluated", "KD-604 not evaluated", "KD-605 not evaluated",
	}
	key := func(settings map[string]any) func(*fixture, *Use) {
		return func(f *fixture, _ *Use) { f.write("transit/keys/"+f.cfg.Key+"/config", settings) }
	}
	another := func(settings map[string]any) func(*fixture, *Use) {
		return func(f *fixture, use *Use) { *use = newFixtureIn(f.t, f.vault, settings, asksMore()).use() }
	}
	// policed has the role's policy replaced; K is the key's name.
	policed := func(change func(policy string) string) func(*fixture, *Use) {
		return func(f *fixture, _ *Use) {
			must(f.t, f.vault.PutPolicy(f.t.Context(), f.role.Name, strings.ReplaceAll(change(strings.ReplaceAll(cluster.KeyPolicy(f.cfg.Key), f.cfg.Key, "K")), "K", f.cfg.Key)))
		}
	}
	for _, row := range []struct {
		name   string
		breaks func(*fixture, *Use)
		says   string // in one of the complaints
		want   []string
	}{
		{"nothing is wrong", func(*fixture, *Use) {}, "", nil},
		{"a key that only decrypts needs less", func(f *fixture, use *Use) {
			use.Seals, use.Derives = false, false
			policed(func(p string) string { return onlyLines(p, "keys/", "decrypt/") })(f, use)
		}, "", nil},
		{"a key that only decrypts is allowed more", func(_ *fixture, use *Use) { use.Seals, use.Derives = false, false }, "it only needs to decrypt", []string{"KD-502 fail"}},
		{"the token may not ask what it may do", func(f *fixture, use *Use) {
			*use = newFixture(f.t, nil).use()
		}, "permission denied", []string{"KD-501 not evaluated", "KD-502 not evaluated"}},
		{"decrypt is not allowed", policed(func(p string) string { return onlyLines(p, "keys/", "encrypt/", "hmac/") }),
			"update is missing", []string{"KD-501 fail", "KD-503 fail"}},
		{"hmac is not allowed", policed(func(p string) string { return onlyLines(p, "keys/", "encrypt/", "decrypt/") }),
			"hmac with transit", []string{"KD-501 fail", "KD-503 fail"}},
		{"create is allowed", policed(func(p string) string {
			return strings.ReplaceAll(p, `encrypt/K" { capabilities = ["update"] }`, `encrypt/K" { capabilities = ["create", "update"] }`)
		}), "silently create a deleted key again", []string{"KD-502 fail"}},
		{"every key is allowed", policed(func(p string) string { return p + `path "transit/*" { capabilities = ["read", "update", "delete"] }` }),
			"other keys can be used", []string{"KD-502 fail"}},
		{"the key may be configured", policed(func(p string) string { return p + `path "transit/keys/K/config" { capabilities = ["update"] }` }),
			"deletion can be allowed", []string{"KD-502 fail"}},
		{"sudo is allowed", policed(func(p string) string { return p + `path "sys/audit/*" { capabilities = ["update", "sudo"] }` }),
			"sudo, update is allowed", []string{"KD-502 fail"}},
		{"the token may not look itself up", func(f *fixture, use *Use) {
			*use = newFixture(f.t, nil).use()
			must(f.t, f.vault.PutPolicy(f.t.Context(), use.Config.Key, strings.ReplaceAll(cluster.KeyPolicy(use.Config.Key), "lookup-self", "elsewhere")))
		}, "may not look itself up", []string{"KD-501 not evaluated", "KD-502 not evaluated", "KD-505 fail"}},
		{"the token is root", func(f *fixture, use *Use) {
			use.Config.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: f.rootTokenFile()}
		}, "root token", []string{"KD-502 fail"}},

		{"the secret-id is wrong", func(f *fixture, use *Use) {
			use.Config.Auth.SecretIDFile = filepath.Join(f.t.TempDir(), "secret-id")
			must(f.t, os.WriteFile(use.Config.Auth.SecretIDFile, []byte("11111111-2222-3333-4444-555555555555"), 0o600))
		}, "does not know the role-id", append([]string{"KD-405 fail"}, noLogin...)},
		{"no server listens there", func(_ *fixture, use *Use) { use.Config.Address = []string{"https://127.0.0.1:1"} },
			"connection refused", append([]string{"KD-401 fail", "KD-405 fail"}, noLogin...)},
		{"the name does not exist", func(_ *fixture, use *Use) { use.Config.Address = []string{"https://vault..invalid:8200"} }, // fails without asking DNS
			"not resolved", append([]string{"KD-401 fail", "KD-405 fail"}, noLogin...)},
		{"the certificate is of another authority", func(f *fixture, use *Use) {
			authority, err := cluster.NewAuthority(filepath.Join(f.t.TempDir(), "pki"), "other")
			must(f.t, err)
			use.Config.CAFile = authority.CAFile()
		}, "no trusted TLS", append([]string{"KD-401 fail", "KD-405 fail"}, noLogin...)},
		{"the certificate has another name", func(_ *fixture, use *Use) { use.Config.ServerName = "elsewhere.example.com" },
			"elsewhere.example.com", append([]string{"KD-401 fail", "KD-405 fail"}, noLogin...)},

		{"the key does not exist", func(f *fixture, use *Use) {
			use.Config.Key += "-missing"
			must(f.t, f.vault.PutPolicy(f.t.Context(), f.role.Name, cluster.KeyPolicy(use.Config.Key)))
		}, "not found", []string{"KD-601 fail", "KD-602 not evaluated", "KD-603 not evaluated", "KD-604 not evaluated", "KD-605 not evaluated"}},
		{"the key has a wrong type", another(map[string]any{"type": "rsa-2048"}), "rsa-2048", []string{"KD-503 fail", "KD-601 fail"}},
		{"the key is derived", another(map[string]any{"derived": true}), "derived", []string{"KD-503 fail", "KD-601 fail"}},
		{"the key is convergent", another(map[string]any{"derived": true, "convergent_encryption": true}), "convergent", []string{"KD-503 fail", "KD-601 fail"}},
		{"the key can be deleted", key(map[string]any{"deletion_allowed": true}), "deletion_allowed", []string{"KD-602 fail"}},
		{"the key can be exported", key(map[string]any{"exportable": true}), "exportable", []string{"KD-603 fail"}},
		{"the key can be backed up in the clear", key(map[string]any{"allow_plaintext_backup": true}), "allow_plaintext_backup", []string{"KD-603 fail"}},
		{"old versions do not decrypt", func(f *fixture, use *Use) {
			f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
			key(map[string]any{"min_decryption_version": 2})(f, use)
		}, "min_decryption_version is 2 of 2", []string{"KD-604 warn"}},
		{"versions were trimmed", func(f *fixture, use *Use) {
			f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
			key(map[string]any{"min_decryption_version": 2, "min_encryption_version": 2})(f, use)
			f.write("transit/keys/"+f.cfg.Key+"/trim", map[string]any{"min_available_version": 2})
		}, "trimmed", []string{"KD-604 fail"}},
		{"the key rotates hourly", key(map[string]any{"auto_rotate_period": "1h"}), "every 1h", []string{"KD-605 warn"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFixture(t, asksMore())
			use := f.use()
			row.breaks(f, &use)
			results, complaints := diagnose(t, Inspection{Use: use})
			want := append(slices.Clone(row.want), unaudited)
			slices.Sort(want)
			slices.Sort(complaints)
			if !slices.Equal(complaints, want) {
				t.Errorf("complaints\n%q, want\n%q", complaints, want)
			}
			said := row.says == ""
			for _, r := range results {
				if r.Outcome == check.Pass {
					continue
				}
				said = said || strings.Contains(r.Found, row.says)
				if t.Failed() {
					t.Logf("%+v", r)
				}
			}
			if !said {
				t.Errorf("nothing says %q: %+v", row.says, results)
			}
		})
	}
}

// TestWhatConcernsAllOfVaultIsFound has a Vault of its own: it is audited,
// sealed and stopped.
func TestWhatConcernsAllOfVaultIsFound(t *testing.T) {
	binaries, err := components.Build(t.Context(), t.Output(), components.Vault)
	must(t, err)
	c, err := cluster.New(cluster.Options{Binaries: binaries})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	vault, err := c.StartVault(t.Context(), 1)
	must(t, err)
	f := newFixtureIn(t, vault, nil, nil)
	in := Inspection{Use: f.use(), AdminTokenFile: f.rootTokenFile()}
	expect := func(id, outcome, says string) {
		t.Helper()
		results, _ := diagnose(t, in)
		for _, r := range results {
			if r.ID == id && r.Outcome.String() == outcome && strings.Contains(r.Found, says) {
				return
			}
		}
		t.Errorf("no %s %s that says %q: %+v", id, outcome, says, results)
	}
	expect("KD-504", "fail", "no audit device")
	_, err = vault.EnableAudit(t.Context())
	must(t, err)
	expect("KD-504", "pass", "file/ (file)")
	expect("KD-403", "pass", "apart")
	in.AdminTokenFile = filepath.Join(t.TempDir(), "missing")
	expect("KD-504", "not evaluated", "admin token")
	must(t, vault.Seal(t.Context()))
	expect("KD-401", "fail", "sealed")
	must(t, vault.Kill())
	expect("KD-401", "fail", "connection refused")
}

// A wrapping token is good for one use, and that is the plugin's.
func TestAWrappedSecretIDIsLeftToThePlugin(t *testing.T) {
	f := newFixture(t, asksMore())
	dir := t.TempDir()
	use := f.use()
	use.Config.Auth.Role = f.role.Name
	use.Config.Auth.SecretIDFile, use.Config.Auth.UnwrappedSecretIDFile = filepath.Join(dir, "wrapped"), filepath.Join(dir, "secret-id")
	deliver := func() {
		must(t, os.WriteFile(use.Config.Auth.SecretIDFile, []byte(vaulttest.Wrap(t, f.vault, "auth/approle/role/"+f.role.Name+"/secret-id")), 0o600))
	}
	leftAlone := func(when string) {
		t.Helper()
		if _, complaints := diagnose(t, Inspection{Use: use}); !slices.Contains(complaints, "KD-405 not evaluated") {
			t.Errorf("%s: %q", when, complaints)
		}
	}
	works := func(when string) {
		t.Helper()
		if _, complaints := diagnose(t, Inspection{Use: use}); !slices.Equal(complaints, []string{"KD-504 not evaluated"}) {
			t.Errorf("%s: %q", when, complaints)
		}
	}
	leftAlone("nothing was delivered")
	deliver()
	leftAlone("the token was not exchanged")
	c, _ := newKey(t, use.Config)
	must(t, reads(t, c)) // which it could not, had its token been used
	works("the plugin has exchanged it")
	must(t, os.Remove(use.Config.Auth.SecretIDFile))
	works("it was taken away after that")
	deliver()
	leftAlone("another was delivered")
}

func TestALoginThatLeadsToAClusterIsFound(t *testing.T) {
	f := newFixture(t, nil)
	key, public := vaulttest.NewJWTKey(t)
	jwt := func(issuer string) string {
		file := filepath.Join(t.TempDir(), "jwt")
		must(t, os.WriteFile(file, []byte(vaulttest.SignJWT(t, key, map[string]any{"iss": issuer, "sub": "node-1", "aud": "vault", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})), 0o600))
		return file
	}
	loginWith := func(mount, method, issuer string) Inspection {
		use := f.use()
		use.Config.Auth = client.AuthConfig{Method: method, Mount: mount, Role: "plugin", JWTFile: jwt(issuer)}
		return Inspection{Use: use}
	}
	mount := vaulttest.EnableAuth(t, f.vault, "jwt", f.cfg.Key)
	f.write("auth/"+mount+"/config", map[string]any{"jwt_validation_pubkeys": public})
	f.write("auth/"+mount+"/role/plugin", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "token_policies": f.role.Name})
	reviewed := vaulttest.EnableAuth(t, f.vault, "kubernetes", f.cfg.Key)
	f.write("auth/"+reviewed+"/config", map[string]any{"kubernetes_host": "https://10.96.0.1:443", "disable_local_ca_jwt": true})
	withAdmin := loginWith(reviewed, client.MethodKubernetes, "https://issuer.test")
	withAdmin.AdminTokenFile = f.rootTokenFile()

	for _, row := range []struct {
		name, want, says string
		in               Inspection
	}{
		{"a JWT of another issuer", "pass", "the login needs no API server", loginWith(mount, client.MethodJWT, "https://issuer.test")},
		{"a JWT of a cluster", "warn", "kubernetes.default.svc", loginWith(mount, client.MethodJWT, "https://kubernetes.default.svc.cluster.local")},
		{"an API server that reviews", "warn", "its address could not be read", loginWith(reviewed, client.MethodKubernetes, "https://issuer.test")},
		{"an API server that an admin sees", "warn", "https://10.96.0.1:443", withAdmin},
	} {
		results, _ := diagnose(t, row.in)
		for _, r := range results {
			if r.ID == "KD-404" && (r.Outcome.String() != row.want || !strings.Contains(r.Found, row.says)) {
				t.Errorf("%s: %s, %s", row.name, r.Outcome, r.Found)
			}
			if r.ID == "KD-405" && row.in.Use.Config.Auth.Method == client.MethodJWT && r.Outcome != check.Pass {
				t.Errorf("%s: %s, %s", row.name, r.Outcome, r.Found)
			}
		}
	}
}

// asksMore are settings of a role whose token may ask what it may do, which is
// Vault's own policy "default".
func asksMore() map[string]any { return map[string]any{"token_no_default_policy": false} }

// use is what the fixture's role is made for.
func (f *fixture) use() Use {
	return Use{Section: "vault", Config: f.cfg, Seals: true, Derives: true}
}

func (f *fixture) rootTokenFile() string {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "root-token")
	must(f.t, os.WriteFile(file, []byte(f.vault.RootToken()), 0o600))
	return file
}

// onlyLines keeps the lines of a policy that name one of the endpoints.
func onlyLines(policy string, endpoints ...string) string {
	var kept strings.Builder
	for line := range strings.Lines(policy) {
		if slices.ContainsFunc(endpoints, func(e string) bool { return strings.Contains(line, "transit/"+e) }) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
