// Package transitkey unwraps DEK sources of this project's plugin, and of others that
// store Vault Transit's ciphertext as it is, with nothing but the Transit key: where
// no plugin can be asked, and for a backup whose cluster is gone. It asks for decrypt
// alone.
//
// It must never log or quote a secret, nor know how Vault is reached.
package transitkey

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Decrypter is a Transit key. Its errors have a backend.Class.
type Decrypter interface {
	Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error)
}

// Key unwraps DEK sources with a Transit key. It is safe for concurrent use.
type Key struct {
	key      Decrypter
	clusters map[string]bool // nil for any

	mu   sync.Mutex
	keks map[[sha256.Size]byte]*envelope.LocalKEK
}

var _ verify.Unwrapper = (*Key)(nil)

// maxKEKs bounds the local KEKs that are held. There is one for each version of the
// Transit key and cluster.
const maxKEKs = 1000

// New returns an Unwrapper with a Transit key. Where clusters are named, what was
// bound to another one is not unwrapped, as a plugin does not.
func New(key Decrypter, clusters ...string) *Key {
	k := &Key{key: key, keks: map[[sha256.Size]byte]*envelope.LocalKEK{}}
	for _, c := range clusters {
		if k.clusters == nil {
			k.clusters = map[string]bool{}
		}
		k.clusters[c] = true
	}
	return k
}

// Unwrap implements verify.Unwrapper.
func (k *Key) Unwrap(ctx context.Context, s verify.Source) ([]byte, error) {
	stored, err := envelope.Parse(s.KeyID, s.DEKSource, s.Annotations)
	if err != nil {
		return nil, notOurs(s, err)
	}
	if c := stored.Binding.Cluster; stored.Form != envelope.FormUnbound && k.clusters != nil && !k.clusters[c] {
		return nil, &verify.UnwrapError{Outcome: verify.OtherCluster, Err: fmt.Errorf("it was encrypted for the cluster %q", c)}
	}
	if stored.Form != envelope.FormLocal {
		return k.decrypt(ctx, stored)
	}
	kek, err := k.kek(ctx, stored)
	if err != nil {
		return nil, err
	}
	if kek.Fingerprint() != stored.Fingerprint {
		// Transit has bound what it wraps to cluster and key_id, so these are right.
		return nil, &verify.UnwrapError{Outcome: verify.AnnotationsChanged, Err: fmt.Errorf("annotation %s holds another local key", transit.AnnotationKEK)}
	}
	seed, err := kek.Unwrap(stored)
	if err != nil {
		// Nor can it be the annotation, which was opened just now.
		return nil, &verify.UnwrapError{Outcome: verify.Damaged, Err: errors.New("its local key is there, and the DEK source was changed")}
	}
	return seed, nil
}

// notOurs says why a source has none of the forms that a Transit key opens.
func notOurs(s verify.Source, err error) error {
	_, cluster := s.Annotations[transit.AnnotationCluster]
	_, kek := s.Annotations[transit.AnnotationKEK]
	if cluster || kek {
		return &verify.UnwrapError{Outcome: verify.AnnotationsChanged, Err: fmt.Errorf("the annotations do not fit the DEK source: %w", err)}
	}
	return &verify.UnwrapError{Outcome: verify.NotEvaluated, Err: errors.New("another plugin wrote it: a Transit key does not open it")}
}

// kek returns the local KEK that wrapped a source. Each is asked for once, or a few
// times if several callers need a new one at the same time.
func (k *Key) kek(ctx context.Context, stored envelope.Stored) (*envelope.LocalKEK, error) {
	h := sha256.New()
	h.Write(stored.AssociatedData()) // it shows its own lengths
	h.Write(stored.Wrapped)
	id := [sha256.Size]byte(h.Sum(nil))
	k.mu.Lock()
	kek := k.keks[id]
	k.mu.Unlock()
	if kek != nil {
		return kek, nil
	}
	key, err := k.decrypt(ctx, stored)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if kek, err = envelope.NewLocalKEK(key); err != nil {
		return nil, &verify.UnwrapError{Outcome: verify.AnnotationsChanged, Err: fmt.Errorf("annotation %s: %w", transit.AnnotationKEK, err)}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keks) == maxKEKs {
		clear(k.keks)
	}
	k.keks[id] = kek
	return kek, nil
}

// decrypt has Transit open what it wrapped of a source.
func (k *Key) decrypt(ctx context.Context, stored envelope.Stored) ([]byte, error) {
	results, err := k.key.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: stored.Wrapped, AssociatedData: stored.AssociatedData()}})
	if err == nil {
		err = results[0].Err
	}
	if err == nil {
		return results[0].Data, nil
	}
	text := fmt.Errorf("%s (key version %d)", backend.Public(err), stored.Version)
	switch class := backend.ClassOf(err); {
	case class == backend.VersionRefusal:
		return nil, &verify.UnwrapError{Outcome: verify.VersionRetired, Err: text}
	case class == backend.Item && errors.Is(err, backend.ErrAuthentication):
		return nil, &verify.UnwrapError{Outcome: verify.WrongKey, Err: text}
	case class == backend.Item:
		return nil, &verify.UnwrapError{Outcome: verify.Refused, Err: text}
	default: // Vault is away, or the token has no right to the key
		return nil, text
	}
}

// Clear forgets the local KEKs.
func (k *Key) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.keks)
}
