package vaultbackend

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestWhichUIDsARequestCarries(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("uid-%02d", i)
	}
	for _, row := range []struct {
		name string
		uids []string
		want []string
	}{
		{"none", nil, nil},
		{"one", []string{"0c7f5f5e-3f3b-4d0b-9d55-8a3a1b1f6c11"}, []string{"0c7f5f5e-3f3b-4d0b-9d55-8a3a1b1f6c11"}},
		{"each once, in order", []string{"b", "a", "b"}, []string{"b", "a"}},
		{"nothing that ends a header or a log line", []string{"a\r\nX-Vault-Token: x", "a b", "a,b", "ü", "", "good"}, []string{"good"}},
		{"nothing longer than a uid", []string{strings.Repeat("x", 64), strings.Repeat("x", 65)}, []string{strings.Repeat("x", 64)}},
		{"not more than fit, and how many did not", many, append(slices.Clone(many[:maxUIDs]), "+24")},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := uidHeaders(withUIDs(t.Context(), row.uids)).Values(uidHeader); !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// audited returns, by path, the uids that Vault's audit log names with its
// requests.
func audited(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer func() { _ = f.Close() }()
	uids := map[string][]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct {
			Type    string `json:"type"`
			Request struct {
				Path    string              `json:"path"`
				Headers map[string][]string `json:"headers"`
			} `json:"request"`
		}
		must(t, json.Unmarshal(lines.Bytes(), &entry))
		if entry.Type == "request" {
			uids[entry.Request.Path] = append(uids[entry.Request.Path], entry.Request.Headers[strings.ToLower(uidHeader)]...)
		}
	}
	must(t, lines.Err())
	return uids
}

func TestOneGoesFromAUIDToVaultsAuditEntry(t *testing.T) {
	f := newFixture(t, nil)
	f.write("sys/config/auditing/request-headers/"+uidHeader, map[string]any{"hmac": false})
	log, err := f.vault.EnableAudit(t.Context())
	must(t, err)
	t.Cleanup(func() {
		if err := f.vault.Client().Sys().DisableAudit("file"); err != nil {
			t.Errorf("disable the audit device: %v", err)
		}
	})
	c, _ := f.key()
	as := func(uid string) context.Context { return backend.WithCaller(t.Context(), uid) }
	results, err := c.Encrypt(as("uid-of-a-write"), []backend.EncryptItem{{Version: 1, Plaintext: []byte("p")}, {Version: 1, Plaintext: []byte("q")}})
	must(t, err)
	_, err = decrypt(as("uid-of-a-read"), c, results[0].Data, "")
	must(t, err)
	_, err = c.ReadKey(t.Context())
	must(t, err)

	seen := audited(t, log)
	for path, want := range map[string][]string{
		"transit/encrypt/" + f.cfg.Key: {"uid-of-a-write"},
		"transit/decrypt/" + f.cfg.Key: {"uid-of-a-read"},
		"transit/keys/" + f.cfg.Key:    nil,
		"auth/approle/login":           nil,
	} {
		got, asked := seen[path]
		if !asked || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// TestAGatheredRequestNamesAllWhoWait uses a fake Vault, which can be held up
// until all callers have asked.
func TestAGatheredRequestNamesAllWhoWait(t *testing.T) {
	// On a busy machine the callers may not all have asked when the first request counts as
	// slow and the others pass it: then nothing is gathered, and it is tried again.
	for !gathersAndNames(t) {
	}
}

// gathersAndNames reports whether all callers had asked before the first request was slow.
func gathersAndNames(t *testing.T) (gathered bool) {
	t.Helper()
	arrived, release := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var named [][]string
	c := fakeVault(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		named = append(named, r.Header.Values(uidHeader))
		first := len(named) == 1
		mu.Unlock()
		if first {
			close(arrived)
			<-release
		}
		failsWhole("")(w, r)
	})
	var wg sync.WaitGroup
	ask := func(uid, ciphertext string) {
		wg.Go(func() {
			_, err := decrypt(backend.WithCaller(t.Context(), uid), c, []byte("vault:v1:"+ciphertext), "")
			if err != nil {
				t.Errorf("%s: %v", uid, err)
			}
		})
	}
	start := time.Now()
	ask("first", "AAAA")
	<-arrived
	ask("second", "BBBB")
	ask("third", "CCCC")
	ask("fourth", "CCCC")
	waiting := func() bool {
		c.decrypts.mu.Lock()
		defer c.decrypts.mu.Unlock()
		n := 0
		for _, call := range c.decrypts.asked {
			n += call.waiting
		}
		return n == 4
	}
	until(t, "all wait", waiting, func() {})
	gathered = time.Since(start) < slowBatch
	close(release)
	wg.Wait()
	if !gathered {
		return false
	}
	if len(named) != 2 || !slices.Equal(named[0], []string{"first"}) {
		t.Fatalf("requests named %v", named)
	}
	slices.Sort(named[1])
	if !slices.Equal(named[1], []string{"fourth", "second", "third"}) {
		t.Errorf("the gathered request names %v", named[1])
	}
	return true
}
