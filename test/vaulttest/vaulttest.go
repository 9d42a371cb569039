// Package vaulttest is what the tests of vaultbackend and of its client share: a real
// Vault with keys and roles, fakes that answer like Vault, and checks. It must never
// know the packages under test.
package vaulttest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// shared holds one Vault for all tests of a package that do not stop or seal it.
// It starts with the first test that asks.
var shared struct {
	sync.Mutex
	cluster *cluster.Cluster
	vault   *cluster.Vault
}

// Main runs the tests of a package, then ends the Vault that Shared has started.
func Main(m *testing.M) {
	code := m.Run()
	if c := shared.cluster; c != nil {
		if code != 0 {
			c.KeepLogs()
		}
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the shared Vault:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Shared returns the Vault of all tests of the package.
func Shared(t testing.TB) *cluster.Vault {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.vault != nil {
		return shared.vault
	}
	// It outlives the test that starts it.
	ctx := context.WithoutCancel(t.Context())
	binaries, err := components.Build(ctx, os.Stderr, components.Vault)
	testkit.Check(t, err)
	shared.cluster, err = cluster.New(cluster.Options{Binaries: binaries})
	testkit.Check(t, err)
	shared.vault, err = shared.cluster.StartVault(ctx, 1)
	testkit.Check(t, err)
	return shared.vault
}

// NewRole makes a Transit key and an AppRole that may use it, both of the role's name.
func NewRole(t testing.TB, vault *cluster.Vault, keySettings, roleSettings map[string]any) cluster.AppRole {
	t.Helper()
	name := fmt.Sprintf("k%d", time.Now().UnixNano())
	testkit.Check(t, vault.CreateKey(t.Context(), name, keySettings))
	role, err := vault.AppRole(t.Context(), name, cluster.KeyPolicy(name), roleSettings)
	testkit.Check(t, err)
	return role
}

// Write writes to a path of Vault with the rights of root.
func Write(t testing.TB, vault *cluster.Vault, path string, data map[string]any) {
	t.Helper()
	_, err := vault.Client().Logical().WriteWithContext(t.Context(), path, data)
	testkit.Check(t, err)
}

// NoLeaks checks that every goroutine started after it has ended with the test.
// Call it before a client is made, whose own cleanup has to come first.
func NoLeaks(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		// The cluster's own clients speak HTTP/2; the one under test does not.
		goleak.VerifyNone(t, before,
			goleak.IgnoreAnyFunction("net/http.(*http2ClientConn).readLoop"),
			goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait")) // of a Vault that was restarted
	})
}

// Recorder is an observer that remembers. Lock it to read its fields.
type Recorder struct {
	sync.Mutex
	Refused map[string]int // requests that failed with backend.Credentials
	Batches []int
	Lookups []bool // whether tokens may look themselves up

	requests map[string]int
}

// Request implements the observer.
func (r *Recorder) Request(op string, class backend.Class, _ time.Duration) {
	r.Lock()
	defer r.Unlock()
	if r.requests == nil {
		r.requests, r.Refused = map[string]int{}, map[string]int{}
	}
	r.requests[op]++
	if class == backend.Credentials {
		r.Refused[op]++
	}
}

// Token implements the observer.
func (r *Recorder) Token(time.Time, bool) {}

// SelfLookup implements the observer.
func (r *Recorder) SelfLookup(allowed bool) {
	r.Lock()
	defer r.Unlock()
	r.Lookups = append(r.Lookups, allowed)
}

// Batch implements the observer.
func (r *Recorder) Batch(items int) {
	r.Lock()
	defer r.Unlock()
	r.Batches = append(r.Batches, items)
}

// Count returns how many requests there were of an operation.
func (r *Recorder) Count(op string) int {
	r.Lock()
	defer r.Unlock()
	return r.requests[op]
}

// Until repeats step until done, and fails the test where that takes a minute.
func Until(t testing.TB, what string, done func() bool, step func()) {
	t.Helper()
	for start := time.Now(); !done(); step() {
		if time.Since(start) > time.Minute {
			t.Fatalf("a minute has passed without this: %s", what)
		}
	}
}

// Failed checks that err is of a class and has a reason.
func Failed(t testing.TB, err error, class backend.Class, reason string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v: %s", class, reason)
	}
	if _, ok := errors.AsType[*backend.Error](err); !ok {
		t.Errorf("error is not classified: %v", err)
	}
	if got := backend.ClassOf(err); got != class {
		t.Errorf("class %v, want %v, of: %v", got, class, err)
	}
	if got := backend.ReasonOf(err); got != reason {
		t.Errorf("reason %q, want %q, of: %v", got, reason, err)
	}
}

// NotShown checks that none of the secrets is in what was shown, in any common form.
func NotShown(t testing.TB, shown string, secrets map[string][]byte) {
	t.Helper()
	if len(shown) < 1000 {
		t.Fatalf("little was shown, so that this test proves nothing: %s", shown)
	}
	for name, secret := range secrets {
		for form, text := range map[string]string{
			"raw": string(secret), "base64": base64.StdEncoding.EncodeToString(secret),
			"base64url": base64.RawURLEncoding.EncodeToString(secret), "hex": hex.EncodeToString(secret),
		} {
			if strings.Contains(shown, text) {
				t.Errorf("the %s was shown as %s", name, form)
			}
		}
	}
}
