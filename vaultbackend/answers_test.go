package vaultbackend

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/vaulttest"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// TestRealAnswers provokes each answer from a real Vault 1.21.0, and records
// both what it says and what it is taken for.
func TestRealAnswers(t *testing.T) {
	readKey := func(c *Key) error {
		_, err := c.ReadKey(t.Context())
		return err
	}
	first := func(results []backend.Result, err error) error {
		if err != nil {
			return err
		}
		return results[0].Err
	}
	hmac := func(c *Key, version int) error {
		return first(c.HMAC(t.Context(), []backend.HMACItem{{Version: version, Input: []byte("label")}}))
	}
	seal := func(c *Key, version int) error {
		return first(c.Encrypt(t.Context(), []backend.EncryptItem{{Version: version, Plaintext: []byte("p"), AssociatedData: []byte("ad")}}))
	}
	open := func(c *Key, ciphertext []byte, ad string) error {
		_, err := decrypt(t.Context(), c, ciphertext, ad)
		return err
	}
	settings := func(f *fixture, s map[string]any) { f.write("transit/keys/"+f.cfg.Key+"/config", s) }
	rotate := func(f *fixture, times int) {
		for range times {
			f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
		}
	}
	remove := func(f *fixture) {
		settings(f, map[string]any{"deletion_allowed": true})
		_, err := f.root().DeleteWithContext(t.Context(), "transit/keys/"+f.cfg.Key)
		must(t, err)
	}
	policyWithout := func(f *fixture, endpoint string) {
		var kept []string
		for line := range strings.Lines(cluster.KeyPolicy(f.cfg.Key)) {
			if !strings.Contains(line, "/"+endpoint+"/") {
				kept = append(kept, line)
			}
		}
		must(t, f.vault.PutPolicy(t.Context(), f.role.Name, strings.Join(kept, "")))
	}

	const (
		denied             = "Vault's policy denies this, or the key was deleted"
		noKey              = "encryption key not found"
		tooOld             = "this key version is below min_decryption_version"
		noSealing          = "this key version is below min_encryption_version"
		tooNew             = "this key version does not exist yet"
		tampered           = "authentication failed: the ciphertext or its associated data was changed, or another key wrote it"
		malformed          = "malformed ciphertext"
		noLogin            = "Vault refuses the login"
		unknownCredentials = "Vault does not know the role-id, or not this secret-id"
	)
	for _, row := range []struct {
		name    string
		provoke func(f *fixture, c *Key) error
		class   backend.Class
		reason  string
		answer  string // a part of what Vault said
	}{
		{"a key that was never created is not found",
			func(f *fixture, _ *Key) error {
				c, _ := f.key(func(cfg *Config) { cfg.Key = "missing" })
				must(t, f.vault.PutPolicy(t.Context(), f.role.Name, cluster.KeyPolicy("missing")))
				return readKey(c)
			}, backend.Refusal, noKey, "HTTP status 404"},
		{"reading a deleted key finds nothing",
			func(f *fixture, c *Key) error { remove(f); return readKey(c) },
			backend.Refusal, noKey, "HTTP status 404"},
		{"decrypting with a deleted key says so",
			func(f *fixture, c *Key) error {
				ct := encrypt(t, c, 1, "ad", "p")[0]
				remove(f)
				return open(c, ct, "ad")
			}, backend.Refusal, noKey, "HTTP status 400: encryption key not found"},
		{"encrypting with a deleted key would create it, which the policy denies",
			func(f *fixture, c *Key) error { remove(f); return seal(c, 1) },
			backend.Refusal, denied, "HTTP status 403: 1 error occurred: * permission denied"},
		{"an HMAC of a deleted key says so",
			func(f *fixture, c *Key) error { remove(f); return hmac(c, 1) },
			backend.Refusal, noKey, "HTTP status 400: encryption key not found"},

		{"a policy without read refuses the key",
			func(f *fixture, c *Key) error { policyWithout(f, "keys"); return readKey(c) },
			backend.Refusal, denied, "HTTP status 403: 1 error occurred: * permission denied"},
		{"a policy without hmac refuses the key",
			func(f *fixture, c *Key) error { policyWithout(f, "hmac"); return hmac(c, 1) },
			backend.Refusal, denied, "HTTP status 403: 1 error occurred: * permission denied"},
		{"a policy without encrypt refuses the key",
			func(f *fixture, c *Key) error { policyWithout(f, "encrypt"); return seal(c, 1) },
			backend.Refusal, denied, "HTTP status 403: 1 error occurred: * permission denied"},
		{"a policy without decrypt refuses the key",
			func(f *fixture, c *Key) error {
				ct := encrypt(t, c, 1, "ad", "p")[0]
				policyWithout(f, "decrypt")
				return open(c, ct, "ad")
			}, backend.Refusal, denied, "HTTP status 403: 1 error occurred: * permission denied"},

		{"decrypting below min_decryption_version is refused for that version",
			func(f *fixture, c *Key) error {
				ct := encrypt(t, c, 1, "ad", "p")[0]
				rotate(f, 1)
				settings(f, map[string]any{"min_decryption_version": 2})
				return open(c, ct, "ad")
			}, backend.VersionRefusal, tooOld, "ciphertext or signature version is disallowed by policy (too old)"},
		{"an HMAC below min_decryption_version is refused for that version",
			func(f *fixture, c *Key) error {
				rotate(f, 1)
				settings(f, map[string]any{"min_decryption_version": 2})
				return hmac(c, 1)
			}, backend.VersionRefusal, tooOld, "no such key version"},
		{"encrypting below min_decryption_version is refused for that version",
			func(f *fixture, c *Key) error {
				rotate(f, 1)
				settings(f, map[string]any{"min_decryption_version": 2})
				return seal(c, 1)
			}, backend.VersionRefusal, tooOld, "no such key version"},
		{"an HMAC below min_encryption_version concerns only this request",
			func(f *fixture, c *Key) error {
				rotate(f, 1)
				settings(f, map[string]any{"min_encryption_version": 2})
				return hmac(c, 1)
			}, backend.Item, noSealing, "HTTP status 400: cannot generate HMAC: version is too old (disallowed by policy)"},
		{"encrypting below min_encryption_version concerns only this request",
			func(f *fixture, c *Key) error {
				rotate(f, 1)
				settings(f, map[string]any{"min_encryption_version": 2})
				return seal(c, 1)
			}, backend.Item, noSealing, "requested version for encryption is less than the minimum encryption key version"},
		{"an HMAC above the latest version concerns only this request",
			func(_ *fixture, c *Key) error { return hmac(c, 2) },
			backend.Item, tooNew, "HTTP status 400: key version does not exist; latest key version is 1"},
		{"encrypting above the latest version concerns only this request",
			func(_ *fixture, c *Key) error { return seal(c, 2) },
			backend.Item, tooNew, "requested version for encryption is higher than the latest key version"},
		{"a ciphertext of a version that does not exist concerns only itself",
			func(_ *fixture, c *Key) error {
				ct := encrypt(t, c, 1, "ad", "p")[0]
				return open(c, []byte(strings.Replace(string(ct), "v1", "v7", 1)), "ad")
			}, backend.Item, tooNew, "invalid ciphertext: version is too new"},

		{"other associated data does not open a ciphertext",
			func(_ *fixture, c *Key) error { return open(c, encrypt(t, c, 1, "ad", "p")[0], "other") },
			backend.Item, tampered, "cipher: message authentication failed"},
		{"no associated data does not open a ciphertext that has some",
			func(_ *fixture, c *Key) error { return open(c, encrypt(t, c, 1, "ad", "p")[0], "") },
			backend.Item, tampered, "cipher: message authentication failed"},
		{"a flipped bit does not open",
			func(_ *fixture, c *Key) error {
				return open(c, flipBit(t, encrypt(t, c, 1, "ad", "plaintext")[0]), "ad")
			}, backend.Item, tampered, "cipher: message authentication failed"},
		{"a key deleted and created again does not open what the first one wrote",
			func(f *fixture, c *Key) error {
				ct := encrypt(t, c, 1, "ad", "p")[0]
				remove(f)
				must(t, f.vault.CreateKey(t.Context(), f.cfg.Key, nil))
				return open(c, ct, "ad")
			}, backend.Item, tampered, "cipher: message authentication failed"},
		{"a chacha20-poly1305 key says the same in its own words",
			func(f *fixture, _ *Key) error {
				other := newFixtureIn(f.t, f.vault, map[string]any{"type": "chacha20-poly1305"}, nil)
				c, _ := other.key()
				return open(c, encrypt(t, c, 1, "ad", "p")[0], "other")
			}, backend.Item, tampered, "chacha20poly1305: message authentication failed"},
		{"what is not base64 is malformed",
			func(_ *fixture, c *Key) error { return open(c, []byte("vault:v1:%%%"), "ad") },
			backend.Item, malformed, "invalid ciphertext: could not decode base64"},
		{"what is too short for a nonce is malformed",
			func(_ *fixture, c *Key) error { return open(c, []byte("vault:v1:AAAA"), "ad") },
			backend.Item, malformed, "invalid ciphertext length"},

		{"a key of a type that only signs cannot serve",
			func(f *fixture, _ *Key) error {
				c, _ := newFixtureIn(f.t, f.vault, map[string]any{"type": "ed25519"}, nil).key()
				return readKey(c)
			}, backend.Unsuitable, `the key's type is "ed25519"; create a key of type aes256-gcm96 (aes128-gcm96 and chacha20-poly1305 serve as well)`, ""},
		{"an RSA key cannot serve",
			func(f *fixture, _ *Key) error {
				c, _ := newFixtureIn(f.t, f.vault, map[string]any{"type": "rsa-2048"}, nil).key()
				return readKey(c)
			}, backend.Unsuitable, `the key's type is "rsa-2048"; create a key of type aes256-gcm96 (aes128-gcm96 and chacha20-poly1305 serve as well)`, ""},
		{"an RSA key that replaced a good one says that it cannot bind associated data",
			func(f *fixture, _ *Key) error {
				c, _ := newFixtureIn(f.t, f.vault, map[string]any{"type": "rsa-2048"}, nil).key()
				return open(c, []byte("vault:v1:AAAA"), "ad")
			}, backend.Unsuitable, "a key of this type cannot serve", "associated_data' provided for non-AEAD cipher suite rsa-2048"},
		{"a derived key cannot serve",
			func(f *fixture, _ *Key) error {
				c, _ := newFixtureIn(f.t, f.vault, map[string]any{"derived": true}, nil).key()
				return readKey(c)
			}, backend.Unsuitable, "the key is derived (type aes256-gcm96): it needs a context for each request; create a key without derived=true", ""},

		{"a mount that is not there is an outage, since it may come back with the keys",
			func(f *fixture, _ *Key) error {
				c, _ := f.key(func(cfg *Config) { cfg.Mount = "nowhere" })
				must(t, f.vault.PutPolicy(t.Context(), f.role.Name, `path "nowhere/*" { capabilities = ["read", "update"] }`))
				return readKey(c)
			}, backend.Outage, "Vault has no secrets engine at this path", "HTTP status 404: no handler for route"},

		{"a wrong secret-id refuses the login",
			func(f *fixture, c *Key) error {
				must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte("11111111-2222-3333-4444-555555555555"), 0o600))
				return readKey(c)
			}, backend.Credentials, unknownCredentials, "HTTP status 400: invalid role or secret ID"},
		{"a role that does not exist refuses the login",
			func(f *fixture, _ *Key) error {
				c, _ := f.key(func(cfg *Config) { cfg.Auth.RoleID = "unknown" })
				return readKey(c)
			}, backend.Credentials, unknownCredentials, "HTTP status 400: invalid role or secret ID"},
		{"an auth method that is not mounted denies the login",
			func(f *fixture, _ *Key) error {
				c, _ := f.key(func(cfg *Config) { cfg.Auth.Mount = "nowhere" })
				return readKey(c)
			}, backend.Credentials, noLogin, "HTTP status 403: permission denied"},
		{"a missing secret-id file stops the login",
			func(f *fixture, c *Key) error {
				must(t, os.Remove(f.cfg.Auth.SecretIDFile))
				return readKey(c)
			}, backend.Credentials, "the secret-id file cannot be used", "no such file"},
		{"an empty secret-id file stops the login",
			func(f *fixture, c *Key) error {
				must(t, os.WriteFile(f.cfg.Auth.SecretIDFile, []byte(" \n"), 0o600))
				return readKey(c)
			}, backend.Credentials, "the secret-id file cannot be used", "is empty"},
		{"a token that does not exist is not accepted",
			func(f *fixture, _ *Key) error {
				file := vaulttest.TokenFile(t, "hvs.nonsense")
				c, _ := f.key(func(cfg *Config) { cfg.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: file} })
				return readKey(c)
			}, backend.Credentials, "Vault does not accept the token, or it may not look itself up", "HTTP status 403"},
		{"a token that may not look itself up is not known to be good",
			func(f *fixture, _ *Key) error {
				file, err := f.vault.TokenFile(t.Context(), f.role.Name, `path "x" { capabilities = ["read"] }`, "1h")
				must(t, err)
				c, _ := f.key(func(cfg *Config) { cfg.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: file} })
				return readKey(c)
			}, backend.Credentials, "Vault does not accept the token, or it may not look itself up", "permission denied"},
		{"a good token with a policy for another key is refused this one",
			func(f *fixture, _ *Key) error {
				file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy("another"), "1h")
				must(t, err)
				c, _ := f.key(func(cfg *Config) { cfg.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: file} })
				return readKey(c)
			}, backend.Refusal, denied, "HTTP status 403: 1 error occurred: * permission denied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFixture(t, nil)
			c, _ := f.key()
			err := row.provoke(f, c)
			failed(t, err, row.class, row.reason)
			if err != nil && !strings.Contains(err.Error(), row.answer) {
				t.Errorf("Vault said %q, want a mention of %q", err, row.answer)
			}
		})
	}
}

// flipBit returns ciphertext with one bit of what is encoded in it changed: a
// changed character of the text may be no base64 any more.
func flipBit(t *testing.T, ciphertext []byte) []byte {
	t.Helper()
	version, encoded, ok := transit.Split(ciphertext)
	if !ok {
		t.Fatalf("not a ciphertext: %s", ciphertext)
	}
	raw, err := base64.StdEncoding.DecodeString(string(encoded))
	must(t, err)
	raw[len(raw)/2] ^= 1
	return fmt.Appendf(nil, "vault:v%d:%s", version, base64.StdEncoding.EncodeToString(raw))
}

// TestAnswersThatAreHardToProvoke uses a fake server: Vault Community has no
// quotas of these kinds, no performance standbys, and no proxy in front.
func TestAnswersThatAreHardToProvoke(t *testing.T) {
	const inJSON, html, maxAnswer = "application/json", "text/html", 8 << 20
	for _, row := range []struct {
		name         string
		status       int
		content, say string
		class        backend.Class
		reason       string
	}{
		{"a rate limit is an outage", 429, inJSON, `{"errors":["request path \"transit/keys/k\": rate limit quota exceeded"]}`,
			backend.Outage, "Vault limits the rate of requests"},
		{"a node that lags behind is an outage", 412, inJSON, `{"errors":["required index state not present"]}`,
			backend.Outage, "this Vault node has not caught up with the others yet"},
		{"a disaster recovery secondary is an outage", 400, inJSON, `{"errors":["path disabled in replication DR secondary mode"]}`,
			backend.Outage, "this Vault node is a standby that serves no requests"},
		{"a status that only sys/health has is an outage", 473, inJSON, `{"errors":[]}`,
			backend.Outage, "Vault gave an answer that is not understood, HTTP status 473"},
		{"a locked namespace is an outage", 503, inJSON, `{"errors":["API access to this namespace has been locked by an administrator"]}`,
			backend.Outage, "Vault failed with HTTP status 503"},
		{"an internal error is an outage", 500, inJSON, `{"errors":["internal error"]}`,
			backend.Outage, "Vault failed with HTTP status 500"},
		{"a bad gateway is an outage", 502, html, "<html>Bad Gateway</html>",
			backend.Outage, "something other than Vault answered with HTTP status 502"},
		{"a firewall's 403 is no refusal of the key", 403, html, "<html>Forbidden</html>",
			backend.Outage, "something other than Vault answered with HTTP status 403"},
		{"a gateway's 403 in JSON is no refusal of the key", 403, inJSON, `{"message":"Forbidden"}`,
			backend.Outage, "something other than Vault answered with HTTP status 403"},
		{"a 403 in Vault's form that does not say why is no refusal of the key", 403, inJSON, `{"errors":["blocked"]}`,
			backend.Outage, "something other than Vault answered with HTTP status 403"},
		{"another server's 404 does not mean that the key is gone", 404, html, "404 page not found",
			backend.Outage, "something other than Vault answered with HTTP status 404"},
		{"a 404 with a reason does not mean that the key is gone", 404, inJSON, `{"errors":["no such namespace"]}`,
			backend.Outage, "Vault gave an answer that is not understood, HTTP status 404"},
		{"a captive portal's 200 is an outage", 200, html, "<html>Welcome</html>",
			backend.Outage, "something other than Vault answered with HTTP status 200"},
		{"an answer without a key is an outage", 200, inJSON, `{"data":{"type":"aes256-gcm96","latest_version":3,"keys":{"1":1700000000}}}`,
			backend.Outage, "Vault answered with key versions that make no sense"},
		{"an answer without end is an outage", 200, inJSON, `{"data":"` + strings.Repeat("x", maxAnswer) + `"}`,
			backend.Outage, fmt.Sprintf("the answer is longer than %d bytes", maxAnswer)},
		{"a redirect in circles is an outage", 307, inJSON, "",
			backend.Outage, "Vault has no active node"},
		{"a redirect to a stranger is not followed", 302, inJSON, "https://vault.example.com/",
			backend.Outage, "Vault redirects to an address that is not configured"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := fakeVault(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", row.content)
				if row.status/100 == 3 {
					w.Header().Set("Location", cmp.Or(row.say, r.URL.Path))
				}
				w.WriteHeader(row.status)
				fmt.Fprint(w, row.say)
			})
			_, err := c.ReadKey(t.Context())
			failed(t, err, row.class, row.reason)
		})
	}
}

// failsWhole decrypts like a Vault that rejects a batch over one bad item without
// saying which.
func failsWhole(words string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body batchRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var results []map[string][]byte
		for _, item := range body.Input {
			if strings.Contains(item.Ciphertext, "bad") {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"errors":[%q]}`, words)
				return
			}
			results = append(results, map[string][]byte{"plaintext": []byte("opened")})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"batch_results": results}})
	}
}
