package vaultbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// The fakes of this file say what Vault 1.21.0 does not: older ones, OpenBao,
// Enterprise, and future ones.

// itemsFail answers a batch with one error for every item.
func itemsFail(status int, text string) http.HandlerFunc {
	return vaulttest.LetIn(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Input []json.RawMessage `json:"batch_input"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		results := make([]map[string]string, len(body.Input))
		for i := range results {
			results[i] = map[string]string{"error": text}
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"batch_results": results}})
	})
}

// wholeFails answers every batch with one error for all of it.
func wholeFails(status int, text string) http.HandlerFunc {
	return vaulttest.LetIn(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
	})
}

func TestWhatAnItemsErrorProves(t *testing.T) {
	const forged = "authentication failed: the ciphertext or its associated data was changed, or another key wrote it"
	const unclear = "Vault gave an answer that is not understood, HTTP status 400"
	for _, row := range []struct {
		name    string
		vault   http.HandlerFunc
		class   backend.Class
		reason  string
		decides bool // it shows that the version decrypts
	}{
		{"no item authenticates", itemsFail(400, "cipher: message authentication failed"), backend.Item, forged, true},
		{"no item authenticates, before 1.21", itemsFail(500, "cipher: message authentication failed"), backend.Item, forged, true},
		{"nothing authenticates, said of all", wholeFails(400, "cipher: message authentication failed"), backend.Item, forged, true},
		{"nothing authenticates, said of all with 500", wholeFails(500, "cipher: message authentication failed"), backend.Item, forged, true},
		{"a malformed item", itemsFail(400, "invalid ciphertext: no prefix"), backend.Item, "malformed ciphertext", false},
		{"unknown words, of an item", itemsFail(400, "something new"), backend.Item, "Vault cannot decrypt this ciphertext", false},
		{"unknown words, of all", wholeFails(400, "something new"), backend.Outage, unclear, false},
		{"items fail inside Vault", itemsFail(500, "storage is away"), backend.Outage, "Vault failed with HTTP status 500", false},
		{"items fail inside Vault with the words of a refusal", itemsFail(500, "encryption key not found"), backend.Outage, "Vault failed with HTTP status 500", false},
		{"items fail inside Vault with the words of a version's refusal", itemsFail(500, "no such key version"), backend.Outage, "Vault failed with HTTP status 500", false},
		{"a version that is refused", itemsFail(400, "disallowed by policy (too old)"), backend.VersionRefusal, "this key version is below min_decryption_version", false},
		{"a soft-deleted key, said of items", itemsFail(400, "refusing to use soft-deleted key"), backend.Refusal, "the key is soft-deleted", false},
		{"a soft-deleted key, said of all", wholeFails(400, "refusing to use soft-deleted key"), backend.Refusal, "the key is soft-deleted", false},
		{"a DR secondary", wholeFails(400, "path disabled in replication DR secondary mode"), backend.Outage, "this Vault node is a standby that serves no requests", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := fakeVault(t, row.vault)
			_, err := decrypt(t.Context(), c, []byte("vault:v1:AAAA"), "ad")
			failed(t, err, row.class, row.reason)
			if got := errors.Is(err, backend.ErrAuthentication); got != row.decides {
				t.Errorf("shows that the version decrypts: %v, want %v: %v", got, row.decides, err)
			}
		})
	}
}

// TestANewConnectionIsMadeWhereOneIsWanted counts them at the server.
func TestANewConnectionIsMadeWhereOneIsWanted(t *testing.T) {
	noLeaks(t)
	var seen atomic.Pointer[string]
	c, obs := newKey(t, fakeConfig(t, vaulttest.FakeNode(t, vaulttest.LetIn(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(&r.RemoteAddr)
		if strings.Contains(r.URL.Path, "/decrypt/") {
			fmt.Fprint(w, `{"data":{"batch_results":[{"plaintext":"cA=="}]}}`)
			return
		}
		fmt.Fprint(w, vaulttest.IsKey)
	}))))
	must(t, reads(t, c))
	until(t, "the token has looked itself up", func() bool { return obs.count("lookup") > 0 }, func() {}) // over a connection of its own
	anew := backend.WithNewConnection(t.Context())
	for name, request := range map[string]func(context.Context) error{
		"read": func(ctx context.Context) error { _, err := c.ReadKey(ctx); return err },
		"decrypt": func(ctx context.Context) error {
			_, err := decrypt(ctx, c, []byte("vault:v1:AAAA"), "")
			return err
		},
	} {
		used := map[string]bool{}
		for range 5 {
			must(t, request(t.Context()))
			used[*seen.Load()] = true
		}
		if len(used) > 2 {
			t.Errorf("%s: %d connections for 5 requests one after another", name, len(used))
		}
		for range 5 {
			must(t, request(anew))
			if used[*seen.Load()] {
				t.Errorf("%s: a connection was used again", name)
			}
			used[*seen.Load()] = true
		}
	}
}

// TestANewConnectionIsNotSharedWithOthers has one who wants it ask while a request
// of another is under way, which others would wait for and then share one.
func TestANewConnectionIsNotSharedWithOthers(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 1)
	c := fakeVault(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if strings.Contains(string(text), "slow") {
			arrived <- struct{}{}
			<-release
		} else if strings.Contains(r.URL.Path, "/decrypt/") && !r.Close {
			t.Error("the connection may have been used before, and may be again")
		}
		fmt.Fprint(w, `{"data":{"batch_results":[{"plaintext":"cA=="}]}}`)
	})
	got := make(chan error, 1)
	go func() {
		_, err := decrypt(t.Context(), c, []byte("vault:v1:slow"), "")
		got <- err
	}()
	<-arrived
	_, err := decrypt(backend.WithNewConnection(t.Context()), c, []byte("vault:v1:AAAA"), "")
	close(release)
	must(t, err)
	must(t, <-got)
}
