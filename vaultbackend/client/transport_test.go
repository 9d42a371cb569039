package client

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/sealproof/sealproof/test/vaulttest"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }

// TestWhatNetHTTPMayRepeat is about a connection that the other side closes:
// the header tells net/http that a request did nothing by itself.
func TestWhatNetHTTPMayRepeat(t *testing.T) {
	n, err := newNodes([]string{"https://a"}, slog.New(slog.DiscardHandler))
	must(t, err)
	for op, want := range map[Operation]bool{
		opReadKey: true, opDecrypt: true, opRenew: true, opOrigin: true, opLogin: false, opUnwrap: false, opRevoke: false,
	} {
		var got bool
		ch, err := newConnections(n, exchange{kept: roundTrip(func(req *http.Request) (*http.Response, error) {
			_, got = req.Header["Idempotency-Key"]
			return httptest.NewRecorder().Result(), nil
		})}, &indexes{})
		must(t, err)
		_, err = ch.send(t.Context(), n.urls[0], of(op))
		must(t, err)
		if got != want {
			t.Errorf("%s: %v, want %v", op, got, want)
		}
	}
}

func TestEachRequestIsMadeInItsNamespace(t *testing.T) {
	for _, row := range []struct{ namespace, auth, request, login string }{
		{"", "", "", ""},
		{"team/a", "", "team/a", "team/a"},
		{"/team/a/", "team", "team/a", "team"},
		{"team", "root", "team", ""},
		{"", "team", "", "team"},
	} {
		t.Run(row.namespace+" "+row.auth, func(t *testing.T) {
			var mu sync.Mutex
			seen := map[string]string{}
			noLeaks(t)
			cfg := fakeConfig(t, vaulttest.FakeNode(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				seen[r.URL.Path] = r.Header.Get("X-Vault-Namespace")
				mu.Unlock()
				vaulttest.LetIn(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, vaulttest.IsKey) })(w, r)
			}))
			cfg.Namespace, cfg.Auth.Namespace = row.namespace, row.auth
			c, _ := newClient(t, cfg)
			must(t, reads(t, c))
			must(t, c.LookUpSelf(t.Context()))
			mu.Lock()
			for path, want := range map[string]string{"transit/keys/k": row.request, "auth/approle/login": row.login, PathLookupSelf: row.login} {
				if got, asked := seen["/v1/"+path]; !asked || got != want {
					t.Errorf("%+v: %s in namespace %q, want %q", row, path, got, want)
				}
			}
			mu.Unlock()
		})
	}
}
