package client

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// TestTheNodeThatDeniesIsAskedForTheToken has nodes of clusters that do not know
// each other's tokens, as no node of a real cluster is.
func TestTheNodeThatDeniesIsAskedForTheToken(t *testing.T) {
	denies := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`)
	}
	for _, row := range []struct {
		name   string
		lookup http.HandlerFunc // at the node that denies
		class  backend.Class
		reason string
	}{
		{"it accepts the token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, vaulttest.IsLookedUp) }, backend.Refusal, deniedReason},
		{"it does not know the token", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`)
		}, backend.Credentials, goneReason},
		{"it denies that too", func(w http.ResponseWriter, _ *http.Request) { denies(w) }, backend.Credentials, blindReason},
		{"it is sealed meanwhile", vaulttest.SealedNode, backend.Outage, "Vault denies this, and does not say whether it accepts the token"},
		{"something else answers", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, backend.Outage, "Vault denies this, and does not say whether it accepts the token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			noLeaks(t)
			first := vaulttest.FakeNode(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/login"):
					fmt.Fprint(w, vaulttest.IsLoggedIn)
				case strings.HasSuffix(r.URL.Path, "/lookup-self"):
					row.lookup(w, r)
				default:
					denies(w)
				}
			})
			var elsewhere atomic.Int32
			second := vaulttest.FakeNode(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/lookup-self") {
					elsewhere.Add(1)
				}
				vaulttest.SealedNode(w, r)
			})
			c, _ := newClient(t, fakeConfig(t, first, second))
			_, err := c.tokens.get(t.Context())
			must(t, err)
			c.tokens.wg.Wait() // the look-up after the login
			elsewhere.Store(0)
			c.nodes.served[0] = true
			_, err = c.ReadKey(t.Context())
			failed(t, err, row.class, row.reason)
			if n := elsewhere.Load(); n != 0 {
				t.Errorf("another node was asked %d times", n)
			}
		})
	}
}
