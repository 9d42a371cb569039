package client

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// wrapVault is a fake Vault in which every token wraps a secret-id. It is fake
// because it has to fail at a certain step.
type wrapVault struct {
	mu      sync.Mutex
	away    bool            // it answers nothing
	used    map[string]bool // wrapping tokens
	unwraps int
	during  func()   // done before an unwrapping is answered
	logins  []string // the secret-ids that were offered
}

func newWrapVault() *wrapVault { return &wrapVault{used: map[string]bool{}, during: func() {}} }

func (v *wrapVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.away {
		vaulttest.SealedNode(w, r)
		return
	}
	var body map[string]string
	_ = json.NewDecoder(r.Body).Decode(&body)
	wrapping := cmp.Or(body["token"], r.Header.Get("X-Vault-Token"))
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/sys/wrapping/") && v.used[wrapping]:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errors":["wrapping token is not valid or does not exist"]}`)
	case r.URL.Path == "/v1/sys/wrapping/lookup":
		fmt.Fprint(w, `{"data":{"creation_path":"auth/approle/role/role/secret-id"}}`)
	case r.URL.Path == "/v1/sys/wrapping/unwrap":
		v.used[wrapping] = true
		v.unwraps++
		v.during()
		fmt.Fprintf(w, `{"data":{"secret_id":"secret-id-of-%s"}}`, wrapping)
	case r.URL.Path == "/v1/auth/approle/login":
		v.logins = append(v.logins, body["secret_id"])
		fmt.Fprint(w, vaulttest.IsLoggedIn)
	default:
		fmt.Fprint(w, vaulttest.IsKey)
	}
}

// seen returns how often something was unwrapped, and the secret-ids that were
// offered.
func (v *wrapVault) seen() (unwraps int, logins []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unwraps, slices.Clone(v.logins)
}

// change changes what v does.
func (v *wrapVault) change(how func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	how()
}

// wrappedConfig logs in to nodes with a wrapped secret-id.
func wrappedConfig(t *testing.T, wrapping string, addresses ...string) Config {
	t.Helper()
	cfg := fakeConfig(t, addresses...)
	cfg.Auth.Role, cfg.Auth.UnwrappedSecretIDFile = "role", filepath.Join(t.TempDir(), "kept")
	deliver(t, cfg, wrapping)
	return cfg
}

// deliver puts a wrapping token in its place by renaming.
func deliver(t *testing.T, cfg Config, wrapping string) {
	t.Helper()
	next := cfg.Auth.SecretIDFile + ".next"
	must(t, os.WriteFile(next, []byte(wrapping), 0o600))
	must(t, os.Rename(next, cfg.Auth.SecretIDFile))
}

func TestAWrappedSecretIDIsUnwrappedThoughTheFirstNodeHangs(t *testing.T) {
	noLeaks(t)
	release := make(chan struct{})
	hung := vaulttest.FakeNode(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	vault := newWrapVault()
	c, _ := newClient(t, wrappedConfig(t, "wrapping", hung, vaulttest.FakeNode(t, vault.ServeHTTP)))
	must(t, reads(t, c))
	if unwraps, _ := vault.seen(); unwraps != 1 {
		t.Errorf("unwrapped %d times", unwraps)
	}
}

func TestAWrappingTokenDeliveredInAnOutageIsUsedAfterIt(t *testing.T) {
	noLeaks(t)
	vault := newWrapVault()
	cfg := wrappedConfig(t, "first", vaulttest.FakeNode(t, vault.ServeHTTP))
	c, _ := newClient(t, cfg)
	must(t, reads(t, c))
	vault.change(func() { vault.away = true })
	deliver(t, cfg, "second")
	_, err := c.tokens.step(t.Context())
	failed(t, err, backend.Outage, "Vault is sealed")
	vault.change(func() { vault.away = false })
	until(t, "the second one is used", func() bool { return !c.tokens.auth.stale() }, func() {
		time.Sleep(100 * time.Millisecond)
		_, _ = c.tokens.step(t.Context())
	})
	_, logins := vault.seen()
	if want := []string{"secret-id-of-first", "secret-id-of-second"}; !slices.Equal(logins, want) {
		t.Errorf("logged in with %v, want %v", logins, want)
	}
}

func TestAWrappingTokenIsUsedAtTheNextNodeWhereTheFirstCertainlyDidNotSeeIt(t *testing.T) {
	noLeaks(t)
	untrusted := newTLSVault(t, &tls.Config{Certificates: []tls.Certificate{newTestCA(t).server(t, time.Now().Add(time.Hour))}})
	for name, address := range map[string]string{
		"its certificate is not trusted": untrusted.URL,
		"its name is unknown":            "https://vault.invalid:8200",
		"no server listens":              "https://127.0.0.1:1",
		"no server listens, without TLS": "http://127.0.0.1:1",
	} {
		t.Run(name, func(t *testing.T) {
			vault := newWrapVault()
			c, _ := newClient(t, wrappedConfig(t, "wrapping", address, vaulttest.FakeNode(t, vault.ServeHTTP)))
			secretID, err := c.tokens.auth.(*appRole).wrapped.unwrap(t.Context(), "wrapping")
			if err != nil || secretID != "secret-id-of-wrapping" {
				t.Errorf("got %q, %v", secretID, err)
			}
		})
	}
}
