package kmsplugin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/testkit"
)

// fakeStore is a key store in memory, for what the real Vault cannot be made to
// do in a test: let hours pass, run on a clock of its own, lie. It keeps
// Transit's rules for versions and minimums. Everything else is tested against
// the real Vault, in vaultbackend and test/e2e.
type fakeStore struct {
	mu       sync.Mutex
	key      backend.Key
	secrets  map[int][]byte
	stored   map[string]fakeItem
	clock    func() time.Time
	fail     error            // for every request
	failItem map[string]error // by operation: for every item
	hang     bool             // no answer before the caller's deadline
	garble   bool             // Decrypt answers with something else
	calls    map[string]int
	onCall   func(op string) // nil, or called before each request; one at a time
}

type fakeItem struct {
	version    int
	plain, aad []byte
}

// newFakeStore returns a store with one key of one version, which exists since
// created on the store's clock.
func newFakeStore(clock func() time.Time) *fakeStore {
	s := &fakeStore{
		key:     backend.Key{Mount: "transit", Name: "k8s", Type: "aes256-gcm96", MinDecryption: 1, Created: map[int]time.Time{}},
		secrets: map[int][]byte{}, stored: map[string]fakeItem{}, calls: map[string]int{},
		failItem: map[string]error{}, clock: clock,
	}
	s.rotate()
	return s
}

func (s *fakeStore) rotate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key.Latest++
	s.key.Created[s.key.Latest] = s.clock().Truncate(time.Second)
	s.secrets[s.key.Latest] = random(32)
}

// recreate deletes the key and makes it again.
func (s *fakeStore) recreate() {
	s.mu.Lock()
	s.key.Latest, s.key.MinDecryption, s.key.MinEncryption = 0, 1, 0
	s.key.Created, s.secrets, s.stored = map[int]time.Time{}, map[int][]byte{}, map[string]fakeItem{}
	s.mu.Unlock()
	s.rotate()
}

// restored returns another key store into which a backup of this one was
// restored: the same key, of the same age, under the same path.
func (s *fakeStore) restored() *fakeStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := newFakeStore(s.clock)
	c.key, c.key.Created = s.key, maps.Clone(s.key.Created)
	c.secrets, c.stored = maps.Clone(s.secrets), maps.Clone(s.stored)
	return c
}

// unbound is a seed as another plugin had this key wrap it.
func (s *fakeStore) unbound(t *testing.T, seed string) *service.EncryptResponse {
	t.Helper()
	return s.unboundOf(t, 1, seed)
}

// unboundOf is unbound under any version.
func (s *fakeStore) unboundOf(t *testing.T, version int, seed string) *service.EncryptResponse {
	t.Helper()
	results := testkit.Must(s.Encrypt(t.Context(), []backend.EncryptItem{{Version: version, Plaintext: []byte(seed)}}))(t)
	return &service.EncryptResponse{Ciphertext: results[0].Data, KeyID: "1"}
}

func (s *fakeStore) set(change func(*fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// fails has every request fail from now on; nil ends that.
func (s *fakeStore) fails(err error) { s.set(func(s *fakeStore) { s.fail = err }) }

// count returns how many requests came, of the given operations or of all.
func (s *fakeStore) count(ops ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for op, c := range s.calls {
		if len(ops) == 0 || slices.Contains(ops, op) {
			n += c
		}
	}
	return n
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (s *fakeStore) enter(ctx context.Context, op string) error {
	s.mu.Lock()
	hang, fail := s.hang, s.fail
	s.calls[op]++
	onCall := s.onCall
	s.mu.Unlock()
	if onCall != nil {
		onCall(op)
	}
	if hang {
		<-ctx.Done()
		return &backend.Error{Class: backend.Outage, Op: op, Reason: "no answer within the deadline", Err: ctx.Err()}
	}
	return fail
}

func (s *fakeStore) ReadKey(ctx context.Context) (backend.Key, error) {
	if err := s.enter(ctx, "read"); err != nil {
		return backend.Key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.key
	k.Created = map[int]time.Time{}
	for v, at := range s.key.Created {
		if v >= k.MinDecryption {
			k.Created[v] = at
		}
	}
	k.Clock = backend.ClockReading{Server: s.clock().Truncate(time.Second)}
	return k, nil
}

// fakeClient is one replica's way to the store: it notes the time on the
// replica's own clock.
type fakeClient struct {
	*fakeStore
	boot func() time.Duration
}

func (c fakeClient) ReadKey(ctx context.Context) (backend.Key, error) {
	sent := c.boot()
	k, err := c.fakeStore.ReadKey(ctx)
	k.Clock.Sent, k.Clock.Received = sent, c.boot()
	return k, err
}

func (s *fakeStore) HMAC(ctx context.Context, items []backend.HMACItem) ([]backend.Result, error) {
	return serveItems(ctx, s, "hmac", items, func(i backend.HMACItem) ([]byte, error) {
		if i.Version < s.key.OldestSealable() {
			return nil, versionRefused(i.Version)
		}
		m := hmac.New(sha256.New, s.secrets[i.Version])
		m.Write(i.Input)
		return m.Sum(nil), nil
	})
}

func (s *fakeStore) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	return serveItems(ctx, s, "encrypt", items, func(i backend.EncryptItem) ([]byte, error) {
		if i.Version < s.key.OldestSealable() || i.Version > s.key.Latest {
			return nil, versionRefused(i.Version)
		}
		name := fmt.Sprintf("vault:v%d:%s", i.Version, hex.EncodeToString(random(8)))
		s.stored[name] = fakeItem{i.Version, bytes.Clone(i.Plaintext), bytes.Clone(i.AssociatedData)}
		return []byte(name), nil
	})
}

func (s *fakeStore) Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	return serveItems(ctx, s, "decrypt", items, func(i backend.DecryptItem) ([]byte, error) {
		if v, ok := transit.Version(i.Ciphertext); ok && v < s.key.MinDecryption {
			return nil, versionRefused(v)
		}
		if v, ok := transit.Version(i.Ciphertext); ok && v > s.key.Latest {
			return nil, &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "version is too new"}
		}
		item, ok := s.stored[string(i.Ciphertext)]
		if !ok || !bytes.Equal(item.aad, i.AssociatedData) {
			return nil, &backend.Error{Class: backend.Item, Op: "decrypt", Reason: "message authentication failed", Err: backend.ErrAuthentication}
		}
		if s.garble {
			return random(len(item.plain)), nil
		}
		return bytes.Clone(item.plain), nil
	})
}

func versionRefused(v int) error {
	return &backend.Error{Class: backend.VersionRefusal, Op: "use", Reason: fmt.Sprintf("version %d is too old", v)}
}

func serveItems[T any](ctx context.Context, s *fakeStore, op string, items []T, one func(T) ([]byte, error)) ([]backend.Result, error) {
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]backend.Result, len(items))
	for n, i := range items {
		if err := s.failItem[op]; err != nil {
			results[n].Err = err
			continue
		}
		results[n].Data, results[n].Err = one(i)
	}
	return results, nil
}
