package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// TestARequestWhoseFreshTokensAreAllRefusedEnds uses a fake Vault that sells
// tokens and takes none of them, as one does that forgets each at once.
func TestARequestWhoseFreshTokensAreAllRefusedEnds(t *testing.T) {
	noLeaks(t)
	const enough, endless = 3, 50
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var logins atomic.Int64
	node := vaulttest.FakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/login") {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`)
			return
		}
		if logins.Add(1) == endless {
			cancel() // or it would never end
		}
		fmt.Fprint(w, vaulttest.IsLoggedIn)
	})
	c, _ := newClient(t, fakeConfig(t, node))
	_, err := c.ReadKey(ctx)
	if n := logins.Load(); n > enough {
		t.Errorf("%d logins for one request", n)
	}
	if err == nil || backend.ClassOf(err) != backend.Credentials {
		t.Errorf("got %v", err)
	}
}
