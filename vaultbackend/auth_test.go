package vaultbackend

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
)

// enable mounts an auth method at a path of the test's own.
func (f *fixture) enable(method string) (mount string) {
	f.t.Helper()
	mount = method + "-" + f.cfg.Key
	must(f.t, f.vault.Client().Sys().EnableAuthWithOptionsWithContext(f.t.Context(), mount, &api.EnableAuthOptions{Type: method}))
	return mount
}

// loginAgain makes c log in anew.
func (f *fixture) loginAgain(c *Client) {
	f.t.Helper()
	f.revoke(token(f.t, c))
}

func reads(t *testing.T, c *Client) error {
	t.Helper()
	_, err := c.ReadKey(t.Context())
	return err
}

// signJWT signs claims as an issuer of the test's own would.
func signJWT(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	payload, err := json.Marshal(claims)
	must(t, err)
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(payload)
	hash := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	must(t, err)
	return signed + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func newJWTKey(t *testing.T) (key *ecdsa.PrivateKey, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestAJWTIsReadAgainAtEveryLogin(t *testing.T) {
	f := newFixture(t, nil)
	key, public := newJWTKey(t)
	mount := f.enable("jwt")
	f.write("auth/"+mount+"/config", map[string]any{"jwt_validation_pubkeys": public, "bound_issuer": "https://issuer.test"})
	f.write("auth/"+mount+"/role/plugin", map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "bound_subject": "node-1",
		"token_policies": f.role.Name, "token_ttl": "1h",
	})
	claims := func(subject string, expires time.Time) map[string]any {
		return map[string]any{"iss": "https://issuer.test", "sub": subject, "aud": "vault", "iat": time.Now().Unix(), "exp": expires.Unix()}
	}
	file := filepath.Join(t.TempDir(), "jwt")
	c, _ := f.client(func(cfg *Config) {
		cfg.Auth = AuthConfig{Method: MethodJWT, Mount: mount, Role: "plugin", JWTFile: file}
	})

	failed(t, reads(t, c), backend.Credentials, "the JWT file cannot be used")
	must(t, os.WriteFile(file, []byte(signJWT(t, key, claims("node-2", time.Now().Add(time.Hour)))), 0o600))
	until(t, "Vault itself refuses", func() bool { return backend.ReasonOf(reads(t, c)) == "Vault refuses the login" }, func() {})
	must(t, os.WriteFile(file, []byte(signJWT(t, key, claims("node-1", time.Now().Add(time.Hour)))), 0o600))
	until(t, "the right JWT is used", func() bool { return reads(t, c) == nil }, func() {})

	must(t, os.WriteFile(file, []byte(signJWT(t, key, claims("node-1", time.Now().Add(-time.Hour)))), 0o600))
	must(t, reads(t, c)) // a token outlives the JWT it was bought with
	f.loginAgain(c)
	failed(t, reads(t, c), backend.Credentials, "Vault refuses the login")
}

// kubernetesAPI is a fake kube-apiserver: all it does is to review the tokens of
// one service account, for Vault.
func kubernetesAPI(t *testing.T, accepted func() string) (address, ca string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Spec struct {
				Token string `json:"token"`
			} `json:"spec"`
		}
		if r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" || json.NewDecoder(r.Body).Decode(&review) != nil {
			http.NotFound(w, r)
			return
		}
		status := map[string]any{"authenticated": false}
		if review.Spec.Token == accepted() {
			status = map[string]any{"authenticated": true, "audiences": []string{"https://kubernetes.default.svc"}, "user": map[string]any{
				"username": "system:serviceaccount:kube-system:kmsplugin", "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
			}}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(t.Output(), nil), slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestAServiceAccountTokenIsReadAgainAtEveryLogin(t *testing.T) {
	f := newFixture(t, nil)
	key, _ := newJWTKey(t)
	tokenFor := func(n int) string {
		return signJWT(t, key, map[string]any{
			"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:kube-system:kmsplugin", "aud": []string{"https://kubernetes.default.svc"},
			"jti": fmt.Sprint(n), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
			"kubernetes.io": map[string]any{
				"namespace": "kube-system", "serviceaccount": map[string]any{"name": "kmsplugin", "uid": "7c9e6679-7425-40de-944b-e07fc1f90ae7"},
			},
		})
	}
	first, second := tokenFor(1), tokenFor(2)
	valid := first
	address, ca := kubernetesAPI(t, func() string { return valid })
	mount := f.enable("kubernetes")
	f.write("auth/"+mount+"/config", map[string]any{"kubernetes_host": address, "kubernetes_ca_cert": ca, "disable_local_ca_jwt": true})
	f.write("auth/"+mount+"/role/plugin", map[string]any{
		"bound_service_account_names": "kmsplugin", "bound_service_account_namespaces": "kube-system",
		"token_policies": f.role.Name, "token_ttl": "1h",
	})
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte(first), 0o600))
	c, _ := f.client(func(cfg *Config) {
		cfg.Auth = AuthConfig{Method: MethodKubernetes, Mount: mount, Role: "plugin", JWTFile: file}
	})
	must(t, reads(t, c))

	valid = second // the first has expired
	f.loginAgain(c)
	failed(t, reads(t, c), backend.Credentials, "Vault refuses the login")
	must(t, os.WriteFile(file, []byte(second), 0o600))
	until(t, "the new token is used", func() bool { return reads(t, c) == nil }, func() {})
}

func TestACertificateIsReadAgainAtEveryLogin(t *testing.T) {
	f := newFixture(t, nil)
	mount := f.enable("cert")
	ca, err := os.ReadFile(f.vault.CAFile())
	must(t, err)
	allow := func(name string) {
		f.write("auth/"+mount+"/certs/plugin", map[string]any{
			"certificate": string(ca), "allowed_common_names": name, "token_policies": f.role.Name, "token_ttl": "1h",
		})
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	install := func(name string) {
		files, err := f.vault.Authority().Client(f.cfg.Key + name)
		must(t, err)
		for from, to := range map[string]string{files.Cert: cert, files.Key: key} {
			data, err := os.ReadFile(from)
			must(t, err)
			must(t, os.WriteFile(to, data, 0o600))
		}
	}
	allow(f.cfg.Key + "first")
	c, obs := f.client(func(cfg *Config) {
		cfg.ClientCertFile, cfg.ClientKeyFile = cert, key
		cfg.Auth = AuthConfig{Method: MethodCert, Mount: mount, Role: "plugin"}
	})
	failed(t, reads(t, c), backend.Credentials, "the client certificate file cannot be used")
	install("first")
	until(t, "the certificate is used once it is there", func() bool { return reads(t, c) == nil }, func() {})

	// Vault renews only over a connection with the same certificate.
	s, err := c.tokens.get(t.Context())
	must(t, err)
	if next, err := c.tokens.prolong(t.Context(), s); err != nil || next.token != s.token {
		t.Errorf("renewing with the certificate of the login: %v", err)
	}

	install("second")
	allow(f.cfg.Key + "second")
	if !c.tokens.auth.stale() {
		t.Error("nobody notices the new certificate")
	}
	f.loginAgain(c)
	must(t, reads(t, c))

	allow(f.cfg.Key + "third")
	f.loginAgain(c)
	failed(t, reads(t, c), backend.Credentials, "Vault refuses the login")
	if obs.count(opLogin) < 3 {
		t.Errorf("%d logins", obs.count(opLogin))
	}
}

// wrap has Vault wrap what it answers to path, and returns the wrapping token.
func (f *fixture) wrap(path string) string {
	f.t.Helper()
	client, err := f.vault.Client().CloneWithHeaders()
	must(f.t, err)
	client.SetToken(f.vault.RootToken())
	client.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	secret, err := client.Logical().WriteWithContext(f.t.Context(), path, nil)
	must(f.t, err)
	return secret.WrapInfo.Token
}

func TestAWrappedSecretIDIsUnwrappedOnceAndSurvivesARestart(t *testing.T) {
	f := newFixture(t, nil)
	dir := t.TempDir()
	delivered, kept := filepath.Join(dir, "wrapped"), filepath.Join(dir, "secret-id")
	secretIDPath := "auth/approle/role/" + f.role.Name + "/secret-id"
	deliver := func(token string) { must(t, os.WriteFile(delivered, []byte(token+"\n"), 0o600)) }
	start := func() (*Client, *recorder) {
		return f.client(func(cfg *Config) {
			cfg.Auth.Role, cfg.Auth.SecretIDFile, cfg.Auth.UnwrappedSecretIDFile = f.role.Name, delivered, kept
		})
	}
	first := f.wrap(secretIDPath)
	deliver(first)
	c, obs := start()
	must(t, reads(t, c))
	f.loginAgain(c)
	must(t, reads(t, c))
	if looked, unwrapped := obs.count(opOrigin), obs.count(opUnwrap); looked != 1 || unwrapped != 1 {
		t.Errorf("the wrapping token was looked up %d times and used %d times", looked, unwrapped)
	}
	info, err := os.Stat(kept)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("kept with mode %v", info.Mode())
	}
	content, err := os.ReadFile(kept)
	must(t, err)
	if bytes.Contains(content, []byte(first)) {
		t.Error("the wrapping token is kept as well")
	}

	again, obs := start()
	must(t, reads(t, again))
	if n := obs.count(opOrigin) + obs.count(opUnwrap); n != 0 {
		t.Errorf("a restart made %d requests about the wrapping token", n)
	}
	must(t, os.Remove(delivered))
	bare, _ := start()
	must(t, reads(t, bare)) // taken away after its use

	// A new one is noticed without a refusal: it may live for minutes only.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	deliver(f.wrap(secretIDPath))
	if !again.tokens.auth.stale() || !bare.tokens.auth.stale() {
		t.Error("nobody notices the new wrapping token")
	}
	old := token(t, again)
	if _, err := again.tokens.step(ctx); err != nil || token(t, again) == old {
		t.Errorf("the new wrapping token is not used: %v", err)
	}
	changed, err := os.ReadFile(kept)
	must(t, err)
	if bytes.Equal(changed, content) {
		t.Error("the new secret-id is not kept")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("left over: %v, %v", files, err)
	}
}

func TestAWrappingTokenThatIsNotOursIsSaidLoudly(t *testing.T) {
	f := newFixture(t, nil)
	secretIDPath := "auth/approle/role/" + f.role.Name + "/secret-id"
	for _, row := range []struct {
		name   string
		token  func(t *testing.T, kept string) string
		reason string
	}{
		{"used by somebody else", func(t *testing.T, _ string) string {
			token := f.wrap(secretIDPath)
			_, err := f.root().UnwrapWithContext(t.Context(), token)
			must(t, err)
			return token
		}, "the wrapping token was used by somebody else, or has expired"},
		{"not a wrapping token at all", func(*testing.T, string) string { return "hvs.nonsense" },
			"the wrapping token was used by somebody else, or has expired"},
		{"of another role", func(t *testing.T, _ string) string {
			f.write("auth/approle/role/other-"+f.role.Name, map[string]any{"token_policies": "default"})
			return f.wrap("auth/approle/role/other-" + f.role.Name + "/secret-id")
		}, "the wrapping token does not wrap a secret-id of this role"},
		{"put in its place by who has used the real one", func(t *testing.T, _ string) string {
			return f.wrap("sys/wrapping/wrap")
		}, "the wrapping token does not wrap a secret-id of this role"},
		{"when it could not be kept", func(t *testing.T, kept string) string {
			must(t, os.RemoveAll(filepath.Dir(kept)))
			return f.wrap(secretIDPath)
		}, "the unwrapped secret-id cannot be kept in its file"},
		{"when what was kept is damaged", func(t *testing.T, kept string) string {
			must(t, os.WriteFile(kept, []byte("{"), 0o600))
			return f.wrap(secretIDPath)
		}, "the unwrapped secret-id file cannot be used"},
	} {
		t.Run(row.name, func(t *testing.T) {
			delivered, kept := filepath.Join(t.TempDir(), "wrapped"), filepath.Join(t.TempDir(), "secret-id")
			wrapping := row.token(t, kept)
			must(t, os.WriteFile(delivered, []byte(wrapping), 0o600))
			cfg := f.cfg
			cfg.Auth.Role, cfg.Auth.SecretIDFile, cfg.Auth.UnwrappedSecretIDFile = f.role.Name, delivered, kept
			var log strings.Builder
			c, err := New(cfg, slog.New(slog.NewTextHandler(&log, nil)), func() time.Duration { return 0 }, nil)
			must(t, err)
			err = reads(t, c)
			c.Close()
			failed(t, err, backend.Credentials, row.reason)
			if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), row.reason) {
				t.Errorf("the log does not say so: %s", &log)
			}
			if strings.Contains(log.String()+fmt.Sprint(err), wrapping) {
				t.Error("the wrapping token is shown")
			}
			if strings.Contains(row.reason, "kept") {
				// It was not used up.
				if _, err := f.root().UnwrapWithContext(t.Context(), wrapping); err != nil {
					t.Errorf("the wrapping token is lost: %v", err)
				}
			}
		})
	}
}

func TestOnlyATokenOfItsOwnIsRevokedAtTheEnd(t *testing.T) {
	f := newFixture(t, nil)
	alive := func(token string) bool {
		_, err := f.root().WriteWithContext(t.Context(), "auth/token/lookup", map[string]any{"token": token})
		return err == nil
	}
	c, obs := f.client()
	must(t, reads(t, c))
	own := token(t, c)
	c.Close()
	if alive(own) || obs.count(opRevoke) != 1 {
		t.Errorf("the token lives on after %d revocations", obs.count(opRevoke))
	}

	file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.cfg.Key), "1h")
	must(t, err)
	c, obs = f.client(func(cfg *Config) { cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: file} })
	must(t, reads(t, c))
	theirs := token(t, c)
	c.Close()
	if !alive(theirs) || obs.count(opRevoke) != 0 {
		t.Error("the token of somebody else was revoked")
	}

	f.write("auth/approle/role/"+f.role.Name, map[string]any{"token_type": "batch"})
	c, obs = f.client()
	must(t, reads(t, c))
	c.Close()
	if obs.count(opRevoke) != 0 {
		t.Error("Vault was asked to revoke a batch token, which it cannot")
	}
}

func TestRequestsUnderWayFinishBeforeTheTokenIsRevoked(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	revoked := make(chan struct{}, 1)
	c := fakeVault(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/auth/token/revoke-self":
			revoked <- struct{}{}
			w.WriteHeader(http.StatusNoContent)
		default:
			close(arrived)
			<-release
			select {
			case <-revoked:
				t.Error("the token was revoked before its last request had finished")
			default:
			}
			fmt.Fprint(w, `{"data":{"type":"aes256-gcm96","latest_version":1,"keys":{"1":1700000000}}}`)
		}
	})
	got := make(chan error, 1)
	go func() { got <- reads(t, c) }()
	<-arrived
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	until(t, "nobody new is let in", func() bool { return !c.gate.enter() }, func() { c.gate.leave() })
	close(release)
	if err := <-got; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	<-closed
	if len(revoked) != 1 {
		t.Error("the token was not revoked")
	}
}
