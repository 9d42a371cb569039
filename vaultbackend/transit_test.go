package vaultbackend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
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

func TestHMACIsTheSameForEachClientAndDiffersByVersionAndInput(t *testing.T) {
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
