package vaultbackend

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

func TestReadKeyTellsAllThatVaultKnows(t *testing.T) {
	vault := vaulttest.Shared(t)
	noLeaks(t)
	f := newFixtureIn(t, vault, map[string]any{"type": "aes128-gcm96", "auto_rotate_period": "24h"}, nil)
	for range 3 {
		f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
	}
	f.write("transit/keys/"+f.cfg.Key+"/config", map[string]any{
		"min_decryption_version": 2, "min_encryption_version": 3,
		"deletion_allowed": true, "exportable": true, "allow_plaintext_backup": true,
	})
	c, _ := f.key(func(cfg *Config) { cfg.Mount = "/transit/" })
	before := time.Now()
	key, err := c.ReadKey(t.Context())
	must(t, err)

	if got, want := []any{key.Mount, key.Name, key.Type, key.Derived}, []any{"transit", f.cfg.Key, "aes128-gcm96", false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := []any{key.Latest, key.MinDecryption, key.MinEncryption}, []any{4, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("versions: got %v, want %v", got, want)
	}
	if !key.DeletionAllowed || !key.Exportable || !key.AllowPlaintextBackup || key.AutoRotatePeriod != 24*time.Hour {
		t.Errorf("settings: %+v", key)
	}
	if len(key.Created) != 3 {
		t.Errorf("created: %v, want versions 2 to 4", key.Created)
	}
	for v := 2; v <= 4; v++ {
		if d := before.Sub(key.Created[v]); d < 0 || d > time.Minute {
			t.Errorf("version %d was created at %v", v, key.Created[v])
		}
	}
	if d := key.Clock.Server.Sub(before); d < -time.Second || d > time.Second {
		t.Errorf("Vault's clock is %v, ours was %v", key.Clock.Server, before)
	}
	if key.Clock.Sent <= 0 || key.Clock.Received <= key.Clock.Sent {
		t.Errorf("clock reading %+v", key.Clock)
	}
}

func TestANamespaceIsPartOfTheMount(t *testing.T) {
	// Vault Community ignores the namespace header, so this shows only that
	// requests with one are well formed and that the path is canonical.
	f := newFixture(t, nil)
	c, _ := f.key(func(cfg *Config) { cfg.Namespace = "/team-a/prod/"; cfg.Auth.Namespace = "root" })
	key, err := c.ReadKey(t.Context())
	must(t, err)
	if key.Mount != "team-a/prod/transit" {
		t.Errorf("mount %q", key.Mount)
	}
}

func TestWhatIsEncryptedUnderAVersionOpensWithTheSameAssociatedData(t *testing.T) {
	for _, keyType := range []string{"aes256-gcm96", "aes128-gcm96", "chacha20-poly1305"} {
		t.Run(keyType, func(t *testing.T) {
			vault := vaulttest.Shared(t)
			noLeaks(t)
			f := newFixtureIn(t, vault, map[string]any{"type": keyType}, nil)
			f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
			c, _ := f.key()
			for version := 1; version <= 2; version++ {
				for _, ad := range []string{"", "associated"} {
					sealed := encrypt(t, c, version, ad, "secret")[0]
					if !bytes.HasPrefix(sealed, fmt.Appendf(nil, "vault:v%d:", version)) {
						t.Errorf("ciphertext %s is not of version %d", sealed, version)
					}
					opened, err := decrypt(t.Context(), c, sealed, ad)
					if err != nil || string(opened) != "secret" {
						t.Errorf("opened %q, %v", opened, err)
					}
				}
			}
		})
	}
}

func TestHMACIsTheSameForEverybodyAndAnotherForEachVersionAndInput(t *testing.T) {
	f := newFixture(t, nil)
	f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
	items := []backend.HMACItem{
		{Version: 2, Input: []byte("a")}, {Version: 1, Input: []byte("a")},
		{Version: 2, Input: []byte("b")}, {Version: 1, Input: []byte("b")},
	}
	one, obs := f.key()
	first, err := one.HMAC(t.Context(), items)
	must(t, err)
	other, _ := f.key()
	second, err := other.HMAC(t.Context(), items)
	must(t, err)

	seen := map[string]bool{}
	for i := range items {
		must(t, first[i].Err)
		if len(first[i].Data) != 32 || !bytes.Equal(first[i].Data, second[i].Data) {
			t.Errorf("item %d differs between two clients", i)
		}
		seen[string(first[i].Data)] = true
	}
	if len(seen) != len(items) {
		t.Errorf("%d distinct HMACs of %d", len(seen), len(items))
	}
	if n := obs.count(opHMAC); n != 2 {
		t.Errorf("%d requests, want one for each version", n)
	}
}

func TestOneRefusedVersionDoesNotFailTheHMACsOfOthers(t *testing.T) {
	f := newFixture(t, nil)
	f.write("transit/keys/"+f.cfg.Key+"/rotate", nil)
	f.write("transit/keys/"+f.cfg.Key+"/config", map[string]any{"min_encryption_version": 2})
	c, _ := f.key()
	results, err := c.HMAC(t.Context(), []backend.HMACItem{
		{Version: 1, Input: []byte("a")}, {Version: 2, Input: []byte("a")}, {Version: 3, Input: []byte("a")},
		{Version: 0, Input: []byte("a")}, {Version: 2},
	})
	must(t, err)
	failed(t, results[0].Err, backend.Item, "this key version is below min_encryption_version")
	if results[1].Err != nil || len(results[1].Data) != 32 {
		t.Errorf("version 2: %v", results[1].Err)
	}
	failed(t, results[2].Err, backend.Item, "this key version does not exist yet")
	failed(t, results[3].Err, backend.Item, "key versions count from 1")
	failed(t, results[4].Err, backend.Item, "nothing to compute an HMAC over")
}

func TestOneBadItemAmongManyFailsOnlyItself(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.key()
	var plaintexts []string
	for i := range 40 {
		plaintexts = append(plaintexts, fmt.Sprintf("plaintext %d", i))
	}
	sealed := encrypt(t, c, 1, "ad", plaintexts...)
	bad := map[int]string{
		3: "vault:v1:AAAA", 7: "vault:v9:AAAA", 11: "", 13: "not vault's",
		17: "vault:v1:\xff\xfe", 19: strings.Replace(string(sealed[19]), "vault:v1:", "vault:v1:A", 1),
		23: "vault:v1:" + strings.Repeat("A", maxItem),
	}
	items := make([]backend.DecryptItem, len(sealed))
	for i := range sealed {
		items[i] = backend.DecryptItem{Ciphertext: sealed[i], AssociatedData: []byte("ad")}
		if text, ok := bad[i]; ok {
			items[i].Ciphertext = []byte(text)
		}
	}
	results, err := c.Decrypt(t.Context(), items)
	must(t, err)
	for i, r := range results {
		if _, isBad := bad[i]; isBad {
			if backend.ClassOf(r.Err) != backend.Item || r.Err == nil || r.Data != nil {
				t.Errorf("bad item %d: %q, %v", i, r.Data, r.Err)
			}
		} else if string(r.Data) != plaintexts[i] {
			t.Errorf("good item %d: %q, %v", i, r.Data, r.Err)
		}
	}
	if n := obs.count(opDecrypt); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestWhereAllItemsAreBadEachSaysWhy(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.key()
	sealed := encrypt(t, c, 1, "ad", "p")[0]
	results, err := c.Decrypt(t.Context(), []backend.DecryptItem{
		{Ciphertext: []byte("vault:v1:AAAA")}, {Ciphertext: []byte("vault:v2:AAAA")}, {Ciphertext: sealed},
	})
	must(t, err)
	failed(t, results[0].Err, backend.Item, "malformed ciphertext")
	failed(t, results[1].Err, backend.Item, "this key version does not exist yet")
	failed(t, results[2].Err, backend.Item, "authentication failed: the ciphertext or its associated data was changed, or another key wrote it")
	if n := obs.count(opDecrypt); n != 1 {
		t.Errorf("%d requests, want 1: Vault's 400 says what is wrong with each", n)
	}
}

func TestEncryptRefusesWhatVaultWouldMisunderstand(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.key()
	results, err := c.Encrypt(t.Context(), []backend.EncryptItem{
		{Version: 0, Plaintext: []byte("p")}, {Version: 1}, {Version: 1, Plaintext: make([]byte, maxItem)},
	})
	must(t, err)
	failed(t, results[0].Err, backend.Item, "key versions count from 1")
	failed(t, results[1].Err, backend.Item, "empty plaintext")
	failed(t, results[2].Err, backend.Item, fmt.Sprintf("longer than the limit of %d bytes", maxItem))
	if n := obs.count(opEncrypt); n != 0 {
		t.Errorf("%d requests for nothing", n)
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

// TestABatchThatFailsAsAWholeIsSplit needs a fake: Vault 1.21 always answers
// each item, but that is not promised, and older versions did not.
func TestABatchThatFailsAsAWholeIsSplit(t *testing.T) {
	for _, row := range []struct {
		words  string
		class  backend.Class // of the bad items
		reason string
	}{
		{"invalid ciphertext: no prefix", backend.Item, "malformed ciphertext"},
		{"something new", backend.Outage, "Vault gave an answer that is not understood, HTTP status 400"},
	} {
		t.Run(row.words, func(t *testing.T) {
			k := fakeVault(t, failsWhole(row.words))
			var items []backend.DecryptItem
			for i := range 21 {
				text := fmt.Sprintf("vault:v1:good%d", i)
				if i == 5 || i == 20 {
					text = fmt.Sprintf("vault:v1:bad%d", i)
				}
				items = append(items, backend.DecryptItem{Ciphertext: []byte(text)})
			}
			results, err := k.Decrypt(t.Context(), items)
			must(t, err)
			for i, r := range results {
				if i == 5 || i == 20 {
					failed(t, r.Err, row.class, row.reason)
				} else if string(r.Data) != "opened" {
					t.Errorf("item %d: %q, %v", i, r.Data, r.Err)
				}
			}
		})
	}
}

// TestAnAnswerThatDoesNotFitTheQuestionIsNotUsed needs a fake: a working Vault
// never answers so, but a node behind the others, or a proxy that mixes up two
// requests, could.
func TestAnAnswerThatDoesNotFitTheQuestionIsNotUsed(t *testing.T) {
	sum := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, row := range []struct{ name, op, answer, reason string }{
		{"a ciphertext of another version", "encrypt", `{"ciphertext":"vault:v2:AAAA","key_version":1}`, "Vault answered with a ciphertext of another key version"},
		{"no ciphertext", "encrypt", `{}`, "Vault answered with a ciphertext of another key version"},
		{"an HMAC of another version", "hmac", `{"hmac":"vault:v2:` + sum + `"}`, "Vault answered with an HMAC of another key version"},
		{"an HMAC of another length", "hmac", `{"hmac":"vault:v1:AAAA"}`, "Vault answered with an HMAC that is not 32 bytes"},
		{"an HMAC that is not base64", "hmac", `{"hmac":"vault:v1:????"}`, "Vault answered with an HMAC that is not 32 bytes"},
		{"no plaintext", "decrypt", `{}`, "Vault answered with neither a plaintext nor an error"},
		{"too many results", "decrypt", `{"plaintext":"cA=="},{"plaintext":"cA=="}`, "Vault answered with 2 results for 1 items"},
		{"no list of results", "decrypt", `7`, "Vault answered with something that is no list of results"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := fakeVault(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"data":{"batch_results":[%s]}}`, row.answer)
			})
			var results []backend.Result
			var err error
			switch row.op {
			case "encrypt":
				results, err = c.Encrypt(t.Context(), []backend.EncryptItem{{Version: 1, Plaintext: []byte("p")}})
			case "hmac":
				results, err = c.HMAC(t.Context(), []backend.HMACItem{{Version: 1, Input: []byte("x")}})
			default:
				results, err = c.Decrypt(t.Context(), []backend.DecryptItem{{Ciphertext: []byte("vault:v1:AAAA")}})
			}
			if err == nil {
				err = results[0].Err
			}
			failed(t, err, backend.Outage, row.reason)
		})
	}
}

func TestACallersDeadlineIsKeptAndClassified(t *testing.T) {
	f := newFixture(t, nil)
	c, _ := f.key()
	sealed := encrypt(t, c, 1, "ad", "p")[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"decrypt": func() error { _, err := decrypt(ctx, c, sealed, "ad"); return err }(),
		"read":    func() error { _, err := c.ReadKey(ctx); return err }(),
		"encrypt": func() error {
			_, err := c.Encrypt(ctx, []backend.EncryptItem{{Version: 1, Plaintext: []byte("p")}})
			return err
		}(),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		failed(t, err, backend.Outage, "the request was given up")
	}
}

// FuzzItems throws any answer that a server could send at all that reads the answers
// to batches and the description of a key: nothing may panic, and no failure inside
// Vault may be taken for a refusal.
func FuzzItems(f *testing.F) {
	f.Add(200, []byte(`{"batch_results":[{"plaintext":"cA=="}]}`), "")
	f.Add(200, []byte(`{"type":"aes256-gcm96","latest_version":1,"keys":{"1":1700000000}}`), "")
	f.Add(200, []byte(`{"type":"rsa-2048","latest_version":1,"keys":{"1":{"creation_time":"2026-01-01T00:00:00Z"}}}`), "")
	f.Add(400, []byte(nil), "encryption key not found")
	f.Add(500, []byte(nil), "cipher: message authentication failed")
	f.Fuzz(func(t *testing.T, status int, data []byte, text string) {
		a := client.Answer{Status: status, Data: data, Errors: []string{text}}
		for _, op := range []client.Operation{opHMAC, opEncrypt, opDecrypt} {
			m, decided := judge(op, a)
			if decided && m.Class != 0 && m.Reason == "" {
				t.Errorf("%s: class %v without a reason", op, m.Class)
			}
			if decided && destroys(m.Class) && status >= 500 {
				t.Errorf("%s: status %d is taken for a refusal", op, status)
			}
			if item := classifyItem(op, status, text); destroys(item.Class) && status >= 500 {
				t.Errorf("%s: an item with status %d is taken for a refusal", op, status)
			}
		}
		if key, err := parseKey(data); err == nil && key.Created[key.Latest].IsZero() {
			t.Error("a key without a time for its latest version")
		}
		_, _ = parseBatch(data, 1)
	})
}

func destroys(class backend.Class) bool {
	return class == backend.Refusal || class == backend.VersionRefusal || class == backend.Unsuitable
}

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

// TestNoPlaintextIsEverShown plants recognisable secrets and looks for them in
// everything that this package writes or returns.
func TestNoPlaintextIsEverShown(t *testing.T) {
	f := newFixture(t, nil)
	var shown strings.Builder
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k, err := New(f.cfg, log, func() time.Duration { return 0 }, &recorder{})
	must(t, err)
	var notes []any
	note := func(err error) { notes = append(notes, err) }

	plaintext := []byte("a canary that must not sing")
	sealed := encrypt(t, k, 1, "ad", string(plaintext))[0]
	sums, err := k.HMAC(t.Context(), []backend.HMACItem{{Version: 1, Input: []byte("x")}})
	must(t, err)
	_, err = decrypt(t.Context(), k, sealed, "other")
	note(err)
	f.revokeTokens()
	opened, err := decrypt(t.Context(), k, sealed, "ad")
	must(t, err)
	if !bytes.Equal(opened, plaintext) {
		t.Errorf("opened %q", opened)
	}
	results, err := k.Encrypt(t.Context(), []backend.EncryptItem{{Version: 9, Plaintext: plaintext}, {Version: 1, Plaintext: bytes.Repeat(plaintext, 10000)}})
	note(err)
	for _, r := range results {
		note(r.Err)
	}
	must(t, f.vault.PutPolicy(t.Context(), f.role.Name, `path "x" { capabilities = ["read"] }`))
	_, err = k.Encrypt(t.Context(), []backend.EncryptItem{{Version: 1, Plaintext: plaintext}})
	note(err)
	k.Close() // nothing is logged after it
	for _, n := range append(notes, f.cfg) {
		fmt.Fprintf(&shown, "%v %+v %#v\n", n, n, n)
	}
	vaulttest.NotShown(t, shown.String(), map[string][]byte{"plaintext": plaintext, "HMAC": sums[0].Data})
}
