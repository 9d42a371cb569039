package client

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// index is what Vault Enterprise says of how far its storage has come.
func index(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "v1:cluster:%d:%d:00", n, n))
}

// TestANodeIsNeverAskedForLessThanWasSeen uses a fake: only Vault Enterprise has
// nodes that lag behind.
func TestANodeIsNeverAskedForLessThanWasSeen(t *testing.T) {
	var mu sync.Mutex
	var required [][]string
	lag := 2 // so many requests meet a node that has not caught up
	c := fakeVault(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		required = append(required, r.Header.Values(api.HeaderIndex))
		if lag > 0 {
			lag--
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, `{"errors":["required index state not present"]}`)
			return
		}
		w.Header().Set(api.HeaderIndex, index(len(required)))
		fmt.Fprint(w, `{"data":{"type":"aes256-gcm96","latest_version":1,"keys":{"1":1700000000}}}`)
	})
	must(t, reads(t, c)) // two that lag, one that does not
	must(t, reads(t, c))
	must(t, reads(t, c))
	want := [][]string{nil, nil, nil, {index(3)}, {index(4)}}
	if !slices.EqualFunc(required, want, slices.Equal) {
		t.Errorf("required %v, want %v", required, want)
	}

	// A Vault restored from a snapshot never gets there again.
	mu.Lock()
	lag = catchUpTries
	mu.Unlock()
	failed(t, reads(t, c), backend.Outage, "this Vault node has not caught up with the others yet")
	must(t, reads(t, c))
	if last := required[len(required)-1]; last != nil {
		t.Errorf("still required after that: %v", last)
	}
}

func TestNothingOlderIsAskedForAfterAnAnswerThatWasOvertaken(t *testing.T) {
	var seen indexes
	for _, n := range []int{3, 5, 4} {
		h := http.Header{}
		h.Set(api.HeaderIndex, index(n))
		seen.record(h)
	}
	seen.record(http.Header{}) // of a node that says nothing
	h := http.Header{}
	seen.require(h)
	if got := h.Values(api.HeaderIndex); !slices.Equal(got, []string{index(5)}) {
		t.Errorf("required %v, want the state of the latest one", got)
	}
}
