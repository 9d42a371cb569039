package client

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealproof/sealproof/test/vaulttest"
)

// TestClientsWithOneWrappingTokenUseItOnce is about several keys with one login,
// and about a process that takes over from another.
func TestClientsWithOneWrappingTokenUseItOnce(t *testing.T) {
	noLeaks(t)
	vault := newWrapVault()
	cfg := wrappedConfig(t, "wrapping", vaulttest.FakeNode(t, vault.ServeHTTP))
	var wg sync.WaitGroup
	for range 8 {
		c, _ := newClient(t, cfg)
		wg.Go(func() {
			if err := reads(t, c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if unwraps, _ := vault.seen(); unwraps != 1 {
		t.Errorf("unwrapped %d times", unwraps)
	}
}

func TestASecretIDThatCannotBeKeptServesWhileTheProcessRuns(t *testing.T) {
	noLeaks(t)
	vault := newWrapVault()
	cfg := wrappedConfig(t, "wrapping", vaulttest.FakeNode(t, vault.ServeHTTP))
	kept := cfg.Auth.UnwrappedSecretIDFile
	var room int64
	vault.during = func() { // in the way of the file that is to be put there
		if err := os.MkdirAll(filepath.Join(kept, "x"), 0o700); err != nil {
			t.Error(err)
		}
		files, _ := filepath.Glob(filepath.Join(filepath.Dir(kept), ".secret-id-*"))
		for _, file := range files {
			if info, err := os.Stat(file); err == nil {
				room += info.Size()
			}
		}
	}
	c, log := logged(t, cfg, slog.LevelInfo)
	login := func() {
		t.Helper()
		if _, err := c.tokens.auth.login(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	login()
	if room < reserved {
		t.Errorf("%d bytes were made sure of before the wrapping token was used", room)
	}
	if !strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), "secret-id-of") {
		t.Errorf("the log is not as it should be: %s", log)
	}
	login()
	must(t, os.RemoveAll(kept))
	login()

	again, _ := newClient(t, cfg) // there is room again, and it was kept after all
	must(t, reads(t, again))
	if unwraps, logins := vault.seen(); unwraps != 1 || len(logins) != 4 {
		t.Errorf("unwrapped %d times, logged in %d times", unwraps, len(logins))
	}
	if files, err := os.ReadDir(filepath.Dir(kept)); err != nil || len(files) != 1 {
		t.Errorf("left over: %v, %v", files, err)
	}
}

func TestASecretIDThatOnlyThisProcessHoldsGivesWayToAnother(t *testing.T) {
	noLeaks(t)
	vault := newWrapVault()
	cfg := wrappedConfig(t, "first", vaulttest.FakeNode(t, vault.ServeHTTP))
	kept := cfg.Auth.UnwrappedSecretIDFile
	vault.during = func() { _ = os.MkdirAll(filepath.Join(kept, "x"), 0o700) } // in its way
	c, _ := newClient(t, cfg)
	login := func() { t.Helper(); _, err := c.tokens.auth.login(t.Context()); must(t, err) }
	login()
	vault.change(func() { vault.during = func() {} })
	must(t, os.RemoveAll(kept))
	deliver(t, cfg, "second")
	login()
	must(t, os.Remove(cfg.Auth.SecretIDFile))
	login()
	unwraps, logins := vault.seen()
	if want := []string{"secret-id-of-first", "secret-id-of-second", "secret-id-of-second"}; unwraps != 2 || !slices.Equal(logins, want) {
		t.Errorf("unwrapped %d times, logged in with %v, want %v", unwraps, logins, want)
	}
}
