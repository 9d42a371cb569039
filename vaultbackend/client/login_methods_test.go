package client

import (
	"bytes"
	"context"
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

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// loginAgain makes c log in anew.
func (f *fixture) loginAgain(c *testClient) {
	f.t.Helper()
	f.revoke(token(f.t, c))
}

func TestAJWTIsReadAgainAtEveryLogin(t *testing.T) {
	f := newFixture(t, nil)
	key, public := vaulttest.NewJWTKey(t)
	mount := vaulttest.EnableAuth(t, f.vault, "jwt", f.role.Name)
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
	must(t, os.WriteFile(file, []byte(vaulttest.SignJWT(t, key, claims("node-2", time.Now().Add(time.Hour)))), 0o600))
	until(t, "Vault itself refuses", func() bool { return backend.ReasonOf(reads(t, c)) == "Vault refuses the login" }, func() {})
	must(t, os.WriteFile(file, []byte(vaulttest.SignJWT(t, key, claims("node-1", time.Now().Add(time.Hour)))), 0o600))
	until(t, "the right JWT is used", func() bool { return reads(t, c) == nil }, func() {})

	must(t, os.WriteFile(file, []byte(vaulttest.SignJWT(t, key, claims("node-1", time.Now().Add(-time.Hour)))), 0o600))
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
	key, _ := vaulttest.NewJWTKey(t)
	tokenFor := func(n int) string {
		return vaulttest.SignJWT(t, key, map[string]any{
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
	mount := vaulttest.EnableAuth(t, f.vault, "kubernetes", f.role.Name)
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
	mount := vaulttest.EnableAuth(t, f.vault, "cert", f.role.Name)
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
		files, err := f.vault.Authority().Client(f.role.Name + name)
		must(t, err)
		for from, to := range map[string]string{files.Cert: cert, files.Key: key} {
			data, err := os.ReadFile(from)
			must(t, err)
			must(t, os.WriteFile(to, data, 0o600))
		}
	}
	allow(f.role.Name + "first")
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
	if next, err := c.tokens.renew(t.Context(), s); err != nil || next.token != s.token {
		t.Errorf("renewing with the certificate of the login: %v", err)
	}

	install("second")
	allow(f.role.Name + "second")
	if !c.tokens.auth.stale() {
		t.Error("the client does not notice the new certificate")
	}
	f.loginAgain(c)
	must(t, reads(t, c))

	allow(f.role.Name + "third")
	f.loginAgain(c)
	failed(t, reads(t, c), backend.Credentials, "Vault refuses the login")
	if obs.count(opLogin) < 3 {
		t.Errorf("%d logins", obs.count(opLogin))
	}
}

func TestAWrappedSecretIDIsUnwrappedOnceAndSurvivesARestart(t *testing.T) {
	f := newFixture(t, nil)
	dir := t.TempDir()
	delivered, kept := filepath.Join(dir, "wrapped"), filepath.Join(dir, "secret-id")
	secretIDPath := "auth/approle/role/" + f.role.Name + "/secret-id"
	deliver := func(token string) { must(t, os.WriteFile(delivered, []byte(token+"\n"), 0o600)) }
	start := func() (*testClient, *recorder) {
		return f.client(func(cfg *Config) {
			cfg.Auth.Role, cfg.Auth.SecretIDFile, cfg.Auth.UnwrappedSecretIDFile = f.role.Name, delivered, kept
		})
	}
	first := vaulttest.Wrap(t, f.vault, secretIDPath)
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
	deliver(vaulttest.Wrap(t, f.vault, secretIDPath))
	if !again.tokens.auth.stale() || !bare.tokens.auth.stale() {
		t.Error("the client does not notice the new wrapping token")
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
		{"used by another client", func(t *testing.T, _ string) string {
			token := vaulttest.Wrap(t, f.vault, secretIDPath)
			_, err := f.root().UnwrapWithContext(t.Context(), token)
			must(t, err)
			return token
		}, "the wrapping token was already used, or has expired"},
		{"not a wrapping token at all", func(*testing.T, string) string { return "hvs.nonsense" },
			"the wrapping token was already used, or has expired"},
		{"of another role", func(t *testing.T, _ string) string {
			f.write("auth/approle/role/other-"+f.role.Name, map[string]any{"token_policies": "default"})
			return vaulttest.Wrap(t, f.vault, "auth/approle/role/other-"+f.role.Name+"/secret-id")
		}, "the wrapping token does not wrap a secret-id of this role"},
		{"put in its place by who has used the real one", func(t *testing.T, _ string) string {
			return vaulttest.Wrap(t, f.vault, "sys/wrapping/wrap")
		}, "the wrapping token does not wrap a secret-id of this role"},
		{"when it could not be kept", func(t *testing.T, kept string) string {
			must(t, os.RemoveAll(filepath.Dir(kept)))
			return vaulttest.Wrap(t, f.vault, secretIDPath)
		}, "the unwrapped secret-id cannot be kept in its file"},
		{"when what was kept is damaged", func(t *testing.T, kept string) string {
			must(t, os.WriteFile(kept, []byte("{"), 0o600))
			return vaulttest.Wrap(t, f.vault, secretIDPath)
		}, "the unwrapped secret-id file cannot be used"},
	} {
		t.Run(row.name, func(t *testing.T) {
			delivered, kept := filepath.Join(t.TempDir(), "wrapped"), filepath.Join(t.TempDir(), "secret-id")
			wrapping := row.token(t, kept)
			must(t, os.WriteFile(delivered, []byte(wrapping), 0o600))
			cfg := f.cfg
			cfg.Auth.Role, cfg.Auth.SecretIDFile, cfg.Auth.UnwrappedSecretIDFile = f.role.Name, delivered, kept
			c, log := logged(t, cfg, slog.LevelInfo)
			err := reads(t, c)
			c.Close()
			failed(t, err, backend.Credentials, row.reason)
			if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), row.reason) {
				t.Errorf("the log does not say so: %s", log)
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

	file, err := f.vault.TokenFile(t.Context(), f.role.Name, cluster.KeyPolicy(f.role.Name), "1h")
	must(t, err)
	c, obs = f.client(func(cfg *Config) { cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: file} })
	must(t, reads(t, c))
	theirs := token(t, c)
	c.Close()
	if !alive(theirs) || obs.count(opRevoke) != 0 {
		t.Error("a token from a file was revoked")
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
	until(t, "no new request is admitted", func() bool { return !c.active.enter() }, func() { c.active.leave() })
	close(release)
	if err := <-got; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	<-closed
	if len(revoked) != 1 {
		t.Error("the token was not revoked")
	}
}

func TestWhatACredentialFileMayHold(t *testing.T) {
	longest := strings.Repeat("x", maxCredential)
	for _, row := range []struct{ name, content, value, fault string }{
		{"a value", "hvs.value", "hvs.value", ""},
		{"a value in a line", " \thvs.value\r\n", "hvs.value", ""},
		{"the longest", longest, longest, ""},
		{"one that is longer", longest + "x", "", "is longer than"},
		{"nothing", "", "", "is empty"},
		{"white space", "\n \n", "", "is empty"},
		{"two values", "hunter2 hunter3", "", "does not hold one plain value"},
		{"two lines", "hunter2\nhunter3", "", "does not hold one plain value"},
		{"JSON", `{"secret": "hunter2"}`, "", "does not hold one plain value"},
		{"what is no ASCII", "hunter2ü", "", "does not hold one plain value"},
		{"a control character", "hunter2\x7f", "", "does not hold one plain value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "credential")
			must(t, os.WriteFile(file, []byte(row.content), 0o600))
			got, err := readCredential(file)
			if row.fault == "" {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error(), row.fault) || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v", err)
			}
			if got != row.value {
				t.Errorf("%d bytes were read, want %d", len(got), len(row.value))
			}
		})
	}
}

func TestWhatALoginGives(t *testing.T) {
	for _, row := range []struct {
		name, auth string
		want       grant
		class      backend.Class
	}{
		{"a service token", `{"client_token":"t","lease_duration":60,"renewable":true,"token_type":"service"}`,
			grant{token: "t", ttl: time.Minute, renewable: true, own: true}, 0},
		{"a batch token", `{"client_token":"t","lease_duration":60,"token_type":"batch"}`, grant{token: "t", ttl: time.Minute}, 0},
		{"a token without end", `{"client_token":"t","lease_duration":0}`, grant{token: "t", own: true}, 0},
		{"a life that makes no sense", `{"client_token":"t","lease_duration":-5}`, grant{token: "t", own: true}, 0},
		{"a wish for a second factor", `{"client_token":"","mfa_requirement":{}}`, grant{}, backend.Credentials},
		{"nothing", ``, grant{}, backend.Outage},
		{"null", `null`, grant{}, backend.Outage},
		{"no object", `"t"`, grant{}, backend.Outage},
	} {
		got, err := parseAuth(Answer{auth: []byte(row.auth)}, "log in")
		if got != row.want || backend.ClassOf(err) != row.class && (err != nil || row.class != 0) {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}
