package vaultbackend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
)

// What every Vault answers to a login, and to the question for the key.
const (
	isLoggedIn = `{"auth":{"client_token":"hvs.fake","lease_duration":3600,"renewable":true}}`
	isLookedUp = `{"data":{"ttl":3600,"renewable":true}}`
	isKey      = `{"data":{"type":"aes256-gcm96","latest_version":1,"keys":{"1":1700000000}}}`
)

// fakeVault returns a client of a server that lets everybody log in and leaves
// everything else to answer.
func fakeVault(t testing.TB, answer http.HandlerFunc) *Client {
	t.Helper()
	noLeaks(t)
	c, _ := newClient(t, fakeConfig(t, fakeNode(t, letIn(answer))))
	return c
}

// fakeNode starts a server and returns its address.
func fakeNode(t testing.TB, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(api.RequestHeaderName) == "" {
			t.Error("the request has no " + api.RequestHeaderName)
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// letIn lets everybody log in, and accepts every token.
func letIn(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/auth/approle/login" {
			fmt.Fprint(w, isLoggedIn)
			return
		}
		if r.URL.Path == "/v1/"+pathLookupSelf {
			fmt.Fprint(w, isLookedUp)
			return
		}
		answer(w, r)
	}
}

// fakeConfig logs in to nodes with a secret-id.
func fakeConfig(t testing.TB, addresses ...string) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Address, cfg.Key = addresses, "k"
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = "id", filepath.Join(t.TempDir(), "secret-id")
	must(t, os.WriteFile(cfg.Auth.SecretIDFile, []byte("s"), 0o600))
	return cfg
}

// sealedNode answers as a node does that is sealed.
func sealedNode(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, `{"errors":["Vault is sealed"]}`)
}
