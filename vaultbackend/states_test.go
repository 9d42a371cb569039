package vaultbackend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// TestWhatIsAnotherStateOfAFile has files that differ in one thing each: a copy may
// keep the time, and what replaces a file may have its length.
func TestWhatIsAnotherStateOfAFile(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	put := func(t *testing.T, path, content string, at time.Time) {
		t.Helper()
		must(t, os.WriteFile(path, []byte(content), 0o600))
		must(t, os.Chtimes(path, at, at))
	}
	for _, row := range []struct {
		name   string
		change func(t *testing.T, first, second string)
		want   bool
	}{
		{"nothing", func(*testing.T, string, string) {}, false},
		{"it was only read", func(t *testing.T, first, _ string) { _, err := os.ReadFile(first); must(t, err) }, false},
		{"its time", func(t *testing.T, first, _ string) {
			must(t, os.Chtimes(first, at.Add(time.Second), at.Add(time.Second)))
		}, true},
		{"an earlier time", func(t *testing.T, first, _ string) {
			must(t, os.Chtimes(first, at.Add(-time.Hour), at.Add(-time.Hour)))
		}, true},
		{"its length, and not its time", func(t *testing.T, first, _ string) { put(t, first, "longer", at) }, true},
		{"another file of that length and time", func(t *testing.T, first, _ string) {
			put(t, first+".next", "two", at)
			must(t, os.Rename(first+".next", first))
		}, true},
		{"the second of two", func(t *testing.T, _, second string) { put(t, second, "two", at.Add(time.Second)) }, true},
		{"it is gone", func(t *testing.T, first, _ string) { must(t, os.Remove(first)) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
			put(t, first, "one", at)
			put(t, second, "one", at)
			m := fileMarks{paths: []string{first, second}}
			m.set(m.look())
			row.change(t, first, second)
			if m.changed() != row.want {
				t.Errorf("changed: %v", !row.want)
			}
		})
	}
}

// TestNothingOlderIsAskedForAfterAnAnswerThatWasOvertaken has answers come in
// another order than Vault gave them.
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

// TestTheSizeOfAnItemIsNotUnderestimated keeps requests below what Vault takes.
func TestTheSizeOfAnItemIsNotUnderestimated(t *testing.T) {
	const roundedUp = 8 // base64 of two fields
	long := bytes.Repeat([]byte("x"), 10_000)
	for name, item := range map[string]batchItem{
		"a plaintext": {Plaintext: long, KeyVersion: math.MaxInt32}, "an input": {Input: long}, "a ciphertext": {Ciphertext: string(long)},
		"associated data": {AssociatedData: long}, "all that is encrypted": {Plaintext: long, AssociatedData: long, KeyVersion: 1},
	} {
		text, err := json.Marshal(item)
		must(t, err)
		if item.size()+roundedUp < len(text) || item.size() > len(text)+100 {
			t.Errorf("%s takes %d bytes, not about %d", name, len(text), item.size())
		}
	}
}

func TestWhatACredentialFileMayHold(t *testing.T) {
	longest := strings.Repeat("x", maxCredential)
	for _, row := range []struct{ name, content, value, fault string }{
		{"a value", "hvs.value", "hvs.value", ""},
		{"a value in a line", " \thvs.value\r\n", "hvs.value", ""},
		{"the longest", longest, longest, ""},
		{"one that is longer", longest + "x", "", "is longer than"},
		{"nothing", "", "", "is empty"},
		{"white space", "\n \n", "", "is empty"},
		{"two values", "hunter2 hunter3", "", "does not hold one plain value"},
		{"two lines", "hunter2\nhunter3", "", "does not hold one plain value"},
		{"JSON", `{"secret": "hunter2"}`, "", "does not hold one plain value"},
		{"what is no ASCII", "hunter2ü", "", "does not hold one plain value"},
		{"a control character", "hunter2\x7f", "", "does not hold one plain value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "credential")
			must(t, os.WriteFile(file, []byte(row.content), 0o600))
			got, err := readCredential(file)
			if row.fault == "" {
				must(t, err)
			} else if err == nil || !strings.Contains(err.Error(), row.fault) || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v", err)
			}
			if got != row.value {
				t.Errorf("%d bytes were read, want %d", len(got), len(row.value))
			}
		})
	}
}

// TestWhatALoginGives has answers that a login may have; real ones are few.
func TestWhatALoginGives(t *testing.T) {
	for _, row := range []struct {
		name, auth string
		want       grant
		class      backend.Class
	}{
		{"a service token", `{"client_token":"t","lease_duration":60,"renewable":true,"token_type":"service"}`,
			grant{token: "t", ttl: time.Minute, renewable: true, own: true}, 0},
		{"a batch token", `{"client_token":"t","lease_duration":60,"token_type":"batch"}`, grant{token: "t", ttl: time.Minute}, 0},
		{"a token without end", `{"client_token":"t","lease_duration":0}`, grant{token: "t", own: true}, 0},
		{"a life that makes no sense", `{"client_token":"t","lease_duration":-5}`, grant{token: "t", own: true}, 0},
		{"a wish for a second factor", `{"client_token":"","mfa_requirement":{}}`, grant{}, backend.Credentials},
		{"nothing", ``, grant{}, backend.Outage},
		{"null", `null`, grant{}, backend.Outage},
		{"no object", `"t"`, grant{}, backend.Outage},
	} {
		got, err := parseAuth(answer{auth: []byte(row.auth)}, "log in")
		if got != row.want || backend.ClassOf(err) != row.class && (err != nil || row.class != 0) {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}

// TestASecretIDThatOnlyThisProcessHoldsGivesWayToAnother is about a disk that was
// full when the secret-id was unwrapped, and an operator who delivers another one.
func TestASecretIDThatOnlyThisProcessHoldsGivesWayToAnother(t *testing.T) {
	noLeaks(t)
	vault := newWrapVault()
	cfg := wrappedConfig(t, "first", fakeNode(t, vault.ServeHTTP))
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

func TestALoginThatFailsForOneReasonIsWarnedOfOnce(t *testing.T) {
	f := &fakeAuth{err: errRefused}
	var log bytes.Buffer
	keep(t, f, func(t *testing.T, k *keeper) {
		k.log = slog.New(slog.NewTextHandler(&log, nil))
		warned := func(err error, want int, what string) {
			t.Helper()
			log.Reset()
			f.mu.Lock()
			f.err = err
			f.mu.Unlock()
			for range 10 {
				time.Sleep(2 * loginPause)
				_, _ = k.get(t.Context())
			}
			if got := strings.Count(log.String(), "level=WARN"); got != want {
				t.Errorf("%s: %d warnings, want %d: %s", what, got, want, log.String())
			}
		}
		warned(errRefused, 0, "it was said when this one began")
		warned(errAway, 1, "another reason")
		warned(errRefused, 1, "and back")
		f.mu.Lock()
		f.next = grant{ttl: time.Second}
		f.mu.Unlock()
		warned(nil, 0, "it succeeds")
		warned(errRefused, 1, "the same reason, after a success")
	})
}

// TestWhatIsSetInVainIsMeantForAnotherMethod tries every setting with every method.
func TestWhatIsSetInVainIsMeantForAnotherMethod(t *testing.T) {
	settings := map[string]struct {
		set  func(*AuthConfig)
		with []string
	}{
		"role-id":                  {func(a *AuthConfig) { a.RoleID = "x" }, []string{MethodAppRole}},
		"role-id-file":             {func(a *AuthConfig) { a.RoleIDFile = "/x" }, []string{MethodAppRole}},
		"secret-id-file":           {func(a *AuthConfig) { a.SecretIDFile = "/x" }, []string{MethodAppRole}},
		"unwrapped-secret-id-file": {func(a *AuthConfig) { a.UnwrappedSecretIDFile = "/x" }, []string{MethodAppRole}},
		"role":                     {func(a *AuthConfig) { a.Role = "x" }, []string{MethodAppRole, MethodCert, MethodJWT, MethodKubernetes}},
		"jwt-file":                 {func(a *AuthConfig) { a.JWTFile = "/x" }, []string{MethodJWT, MethodKubernetes}},
		"token-file":               {func(a *AuthConfig) { a.TokenFile = "/x" }, []string{MethodToken}},
	}
	for name, s := range settings {
		for _, method := range methods() {
			c := DefaultConfig()
			c.Address, c.Key, c.Auth = []string{"https://vault"}, "k", AuthConfig{Method: method}
			s.set(&c.Auth)
			refused := strings.Contains(fmt.Sprint(c.Validate()), "vault.auth."+name+": has no meaning for auth.method "+method+"\n") ||
				strings.HasSuffix(fmt.Sprint(c.Validate()), "vault.auth."+name+": has no meaning for auth.method "+method)
			if refused == slices.Contains(s.with, method) {
				t.Errorf("%s with %s: refused %v", name, method, refused)
			}
		}
	}
}

func TestWhichAddressesCarryAToken(t *testing.T) {
	for address, good := range map[string]bool{
		"https://vault:8200": true, "https://10.0.0.1": true, "http://localhost:8100": true, "http://[::1]:8100": true, "http://127.9.9.9": true,
		"http://10.0.0.1:8100": false, "http://localhost.example.com": false, "http://0.0.0.0:8100": false,
		"https://vault#x": false, "https://vault?x": false, "https://:8200": false, "vault": false, "https://vault:port": false,
	} {
		if err := checkAddress(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAnotherVaultHasAPolicyOfItsOwn(t *testing.T) {
	one, other := DefaultConfig(), DefaultConfig()
	one.Address, one.Key, one.Auth.RoleID = []string{"https://one", "https://two"}, "k", "r"
	other.Address, other.Key, other.Auth.RoleID = []string{"https://other"}, "k", "r"
	policies, err := Policies(Use{Section: "vault", Config: one, Seals: true}, Use{Section: "previous[0]", Config: other})
	must(t, err)
	if len(policies) != 2 || !slices.Equal(policies[1].Sections, []string{"previous[0]"}) {
		t.Errorf("got %+v", policies)
	}
}

func TestCloseMayBeCalledTwiceAndWaitsForWhoIsInside(t *testing.T) {
	var g gate
	for range 2 {
		if !g.enter() {
			t.Fatal("nobody may enter")
		}
	}
	g.leave()
	first, second := g.shut(), g.shut()
	select {
	case <-first:
		t.Error("one is still inside")
	default:
	}
	if g.enter() {
		t.Error("one more has entered")
	}
	g.leave()
	<-first
	<-second
}
