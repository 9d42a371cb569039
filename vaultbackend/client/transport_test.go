package client

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
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
		ch, err := newChannel(n, "", exchange{kept: roundTrip(func(req *http.Request) (*http.Response, error) {
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
