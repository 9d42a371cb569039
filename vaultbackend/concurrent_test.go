package vaultbackend

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

func TestManyConcurrentDecryptsUseFewRequests(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.key()
	const sources = 1000
	plaintexts := make([]string, sources)
	for i := range plaintexts {
		plaintexts[i] = fmt.Sprint("seed ", i)
	}
	sealed := encrypt(t, c, 1, "", plaintexts...)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range sources {
		wg.Go(func() {
			<-start
			opened, err := decrypt(t.Context(), c, sealed[i], "")
			if err != nil || string(opened) != plaintexts[i] {
				t.Errorf("source %d: %q, %v", i, opened, err)
			}
		})
	}
	close(start)
	wg.Wait()
	if n := obs.count(opDecrypt); n > 8 {
		t.Errorf("%d requests for %d sources, want at most 8", n, sources)
	}
}

// TestATokenRevokedAmidTenThousandCallsFailsNone is the promise to API servers
// that give up at the first error, as they do while they start.
func TestATokenRevokedAmidTenThousandCallsFailsNone(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.key()
	const callers, calls, encryptEvery, revocations = 64, 10_000, 20, 3
	plaintexts := make([]string, callers)
	for i := range plaintexts {
		plaintexts[i] = fmt.Sprint("a seed of caller ", i)
	}
	sealed := encrypt(t, c, 1, "ad", plaintexts...)
	oneCall := func(ctx context.Context, caller int, call int64) error {
		if call%encryptEvery == 0 {
			results, err := c.Encrypt(ctx, []backend.EncryptItem{{Version: 1, Plaintext: []byte(plaintexts[caller]), AssociatedData: []byte("ad")}})
			if err != nil {
				return err
			}
			return results[0].Err
		}
		opened, err := decrypt(ctx, c, sealed[caller], "ad")
		if err == nil && string(opened) != plaintexts[caller] {
			err = fmt.Errorf("opened %q", opened)
		}
		return err
	}

	var wg sync.WaitGroup
	var made atomic.Int64
	for caller := range callers {
		wg.Go(func() {
			for {
				call := made.Add(1)
				if call > calls || t.Failed() {
					return
				}
				// The plugin's own deadline is far shorter; how much a busy machine
				// does within that is not what this test is about.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := oneCall(ctx, caller, call)
				cancel()
				if err != nil {
					t.Errorf("call %d: %v", call, err)
				}
			}
		})
	}
	for i := range int64(revocations) {
		until(t, "the calls go on", func() bool { return made.Load() > (i+1)*calls/(revocations+1) || t.Failed() }, runtime.Gosched)
		f.revokeTokens()
	}
	wg.Wait()
	if logins := obs.count(opLogin); logins < revocations+1 || logins > 2*revocations+1 {
		t.Errorf("%d logins for %d revocations", logins, revocations)
	}
}

func TestAnHMACUnderTwentyVersionsNeedsFewConnections(t *testing.T) {
	const versions = 20
	var mu sync.Mutex
	connections := map[string]bool{}
	k := fakeVault(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		connections[r.RemoteAddr] = true
		mu.Unlock()
		var body batchRequest
		must(t, json.NewDecoder(r.Body).Decode(&body))
		sum := bytes.Repeat([]byte{byte(body.KeyVersion)}, hmacLength)
		fmt.Fprintf(w, `{"data":{"batch_results":[{"hmac":"vault:v%d:%s"}]}}`, body.KeyVersion, base64.StdEncoding.EncodeToString(sum))
	})
	var items []backend.HMACItem
	for version := 1; version <= versions; version++ {
		items = append(items, backend.HMACItem{Version: version, Input: []byte("label")})
	}
	results, err := k.HMAC(t.Context(), items)
	must(t, err)
	for i, r := range results {
		must(t, r.Err)
		if int(r.Data[0]) != i+1 {
			t.Errorf("version %d has the HMAC of version %d", i+1, r.Data[0])
		}
	}
	// Four, were it not that a request which waits for a connection takes one that
	// becomes free, and leaves the other to be made.
	if n := len(connections); n >= versions {
		t.Errorf("%d connections for %d versions: none is used again", n, versions)
	}
}

func TestManyItemsGoOutInBoundedRequests(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.key()
	plaintexts := make([]string, 2*maxItems+10)
	for i := range plaintexts {
		plaintexts[i] = fmt.Sprintf("%s %d", rand.Text(), i)
	}
	sealed := encrypt(t, c, 1, "ad", plaintexts...)
	if n := obs.count(opEncrypt); n != 3 {
		t.Errorf("%d encrypt requests, want 3", n)
	}
	items := make([]backend.DecryptItem, len(sealed))
	for i := range sealed {
		items[i] = backend.DecryptItem{Ciphertext: sealed[i], AssociatedData: []byte("ad")}
	}
	results, err := c.Decrypt(t.Context(), items)
	must(t, err)
	for i, r := range results {
		if string(r.Data) != plaintexts[i] {
			t.Fatalf("item %d: %q, %v", i, r.Data, r.Err)
		}
	}
	if !slices.Equal(obs.Batches, []int{maxItems, maxItems, 10}) {
		t.Errorf("batches %v", obs.Batches)
	}
}

// TestAVersionThatFailsLeavesNoOtherOneToPanic asks for more versions than are
// sent at a time: the first failure ends the others before they are sent.
func TestAVersionThatFailsLeavesNoOtherOneToPanic(t *testing.T) {
	noLeaks(t)
	c, _ := newKey(t, fakeConfig(t, vaulttest.FakeNode(t, vaulttest.LetIn(vaulttest.SealedNode)), vaulttest.FakeNode(t, vaulttest.LetIn(vaulttest.SealedNode))))
	items := make([]backend.HMACItem, hmacRequests+2)
	for i := range items {
		items[i] = backend.HMACItem{Version: i + 1, Input: []byte("x")}
	}
	_, err := c.HMAC(t.Context(), items)
	failed(t, err, backend.Outage, "Vault is sealed")
}
