package client

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/vaulttest"
)

// TestVaultsClockWasReadBetweenSendingAndReceiving has a clock that each answer
// moves on: what is taken on the wrong side of an answer is an hour off. A login
// and an attempt in vain come before the request that counts.
func TestVaultsClockWasReadBetweenSendingAndReceiving(t *testing.T) {
	noLeaks(t)
	var hours atomic.Int64
	lags := true
	node := vaulttest.FakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/lookup-self") { // which follows a login in the background
			fmt.Fprint(w, `{"data":{}}`)
			return
		}
		hours.Add(1)
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			fmt.Fprint(w, vaulttest.IsLoggedIn)
		case lags:
			lags = false
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, `{"errors":["required index state not present"]}`)
		default:
			w.Header().Set("Date", "Fri, 27 Nov 2026 12:00:00 GMT")
			fmt.Fprint(w, vaulttest.IsKey)
		}
	})
	boot := func() time.Duration { return time.Duration(hours.Load()) * time.Hour }
	c, err := New(fakeConfig(t, node), slog.New(slog.NewTextHandler(t.Output(), nil)), boot, nil)
	must(t, err)
	t.Cleanup(c.Close)
	a, err := (&testClient{c, "k"}).ReadKey(t.Context())
	must(t, err)
	now := boot()
	if got := a.Clock; got.Sent != now-time.Hour || got.Received != now {
		t.Errorf("sent at %v and received at %v, want %v and %v", got.Sent, got.Received, now-time.Hour, now)
	}
	if want := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC); !a.Clock.Server.Equal(want) {
		t.Errorf("Vault's clock was %v, want %v", a.Clock.Server, want)
	}
}
