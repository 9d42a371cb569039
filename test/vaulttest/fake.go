package vaulttest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/test/testkit"
)

// What every Vault answers to a login, to a token's look-up of itself, and to the
// question for a key.
const (
	IsLoggedIn = `{"auth":{"client_token":"hvs.fake","lease_duration":3600,"renewable":true}}`
	IsLookedUp = `{"data":{"ttl":3600,"renewable":true}}`
	IsKey      = `{"data":{"type":"aes256-gcm96","latest_version":1,"keys":{"1":1700000000}}}`
)

// FakeNode starts a server and returns its address.
func FakeNode(t testing.TB, answer http.HandlerFunc) string {
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

// LetIn accepts every login and every token, and leaves the rest to answer.
func LetIn(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/auth/approle/login":
			fmt.Fprint(w, IsLoggedIn)
		case "/v1/auth/token/lookup-self":
			fmt.Fprint(w, IsLookedUp)
		default:
			answer(w, r)
		}
	}
}

// SealedNode answers as a node does that is sealed.
func SealedNode(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, `{"errors":["Vault is sealed"]}`)
}

// SecretIDFile returns a file with a secret-id for fakes.
func SecretIDFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret-id")
	testkit.Check(t, os.WriteFile(file, []byte("s"), 0o600))
	return file
}
