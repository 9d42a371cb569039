package cluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// SecretField is the field of a Secret that a SecretWriter fills.
const SecretField = "password"

// parallel is the number of requests that are made at once.
const parallel = 8

// A SecretWriter writes Secrets through API servers and remembers a SHA-256 of
// what each must hold, never a value. It is safe for concurrent use, but two
// writes to one Secret must not overlap.
type SecretWriter struct {
	mu      sync.Mutex
	entries map[types.NamespacedName]*history
}

// digest is that of a value.
type digest [sha256.Size]byte

// history is every value that was ever sent to one Secret, in order. All of them
// are kept, so that a read that overlaps with writes can be judged.
type history struct {
	sent []digest
	// confirmed is the place of the last write that was confirmed; -1 if none was.
	// Any later one may be stored or not: an error does not say that nothing was
	// written.
	confirmed int
}

// allows reports whether a read may find a value: the one that was confirmed last when
// the read began, which is at a place, or one that was sent later.
func (h *history) allows(value digest, confirmed int) bool {
	return slices.Contains(h.sent[max(confirmed, 0):], value)
}

// NewSecretWriter returns a writer that has written nothing yet.
func NewSecretWriter() *SecretWriter {
	return &SecretWriter{entries: make(map[types.NamespacedName]*history)}
}

// Len is the number of Secrets that were written with success.
func (w *SecretWriter) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, h := range w.entries {
		if h.confirmed >= 0 {
			n++
		}
	}
	return n
}

// Create writes n Secrets of random values into a namespace, called
// prefix-0000 and so on.
func (w *SecretWriter) Create(ctx context.Context, a *APIServer, namespace, prefix string, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range n {
		g.Go(func() error { return w.Put(ctx, a, namespace, fmt.Sprintf("%s-%04d", prefix, i)) })
	}
	return g.Wait()
}

// Put writes a new random value to a Secret, which it creates if need be.
func (w *SecretWriter) Put(ctx context.Context, a *APIServer, namespace, name string) error {
	return w.PutValue(ctx, a, namespace, name, []byte(rand.Text()))
}

// PutValue writes a given value to a Secret, which it creates if need be.
func (w *SecretWriter) PutValue(ctx context.Context, a *APIServer, namespace, name string, value []byte) error {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	confirm := w.send(key, sha256.Sum256(value))

	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data:       map[string][]byte{SecretField: value},
	}
	secrets := a.client.CoreV1().Secrets(namespace)
	// Without a resourceVersion an update replaces whatever is there.
	_, err := secrets.Update(ctx, secret, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("write the Secret %s on %s: %w", key, a.name, err)
	}
	confirm()
	return nil
}

// send notes that a value is about to be written, and returns what confirms it.
func (w *SecretWriter) send(key types.NamespacedName, value digest) (confirm func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.entries[key]
	if h == nil {
		h = &history{confirmed: -1}
		w.entries[key] = h
	}
	h.sent = append(h.sent, value)
	place := len(h.sent) - 1
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		h.confirmed = place
	}
}

// ReadBackAll reads every Secret that was ever written from one API server and
// compares it. Each is a GET without a resourceVersion, which the server
// answers from etcd and not from its watch cache. Others may write meanwhile. It
// returns how many were read and right; the error names the others, at most 20 of
// them.
func (w *SecretWriter) ReadBackAll(ctx context.Context, a *APIServer) (right int, err error) {
	w.mu.Lock()
	keys := slices.Collect(maps.Keys(w.entries))
	w.mu.Unlock()

	var mu sync.Mutex
	var wrong []error
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, key := range keys {
		g.Go(func() error {
			found, err := w.readBack(ctx, a, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				wrong = append(wrong, err)
			} else if found {
				right++
			}
			return nil
		})
	}
	_ = g.Wait() // nothing above fails
	if len(wrong) == 0 {
		return right, nil
	}
	return right, fmt.Errorf("%d of %d Secrets could not be read back from %s:\n%w",
		len(wrong), len(keys), a.name, errors.Join(wrong[:min(len(wrong), 20)]...))
}

// ErrNotAsWritten says that an API server answered, and that what it answered is not
// what was written: another value, or that there is no such Secret.
var ErrNotAsWritten = errors.New("not as it was written")

// ReadBack is ReadBackAll for one Secret. An error that does not wrap
// ErrNotAsWritten says only that the Secret could not be read.
func (w *SecretWriter) ReadBack(ctx context.Context, a *APIServer, namespace, name string) error {
	_, err := w.readBack(ctx, a, types.NamespacedName{Namespace: namespace, Name: name})
	return err
}

// readBack compares one Secret. It is rightly absent only if no write to it was
// confirmed before it was asked for.
func (w *SecretWriter) readBack(ctx context.Context, a *APIServer, key types.NamespacedName) (found bool, err error) {
	w.mu.Lock()
	h := w.entries[key]
	if h == nil {
		w.mu.Unlock()
		return false, fmt.Errorf("%s: %w: it never was", key, ErrNotAsWritten)
	}
	confirmed := h.confirmed
	w.mu.Unlock()

	secret, err := a.client.CoreV1().Secrets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && confirmed < 0:
		return false, nil
	case apierrors.IsNotFound(err):
		return false, fmt.Errorf("%s: %w: %w", key, ErrNotAsWritten, err)
	case err != nil:
		return false, fmt.Errorf("%s: %w", key, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !h.allows(sha256.Sum256(secret.Data[SecretField]), confirmed) {
		return true, fmt.Errorf("%s: %w: it holds another value", key, ErrNotAsWritten)
	}
	return true, nil
}

// RewriteAll updates every Secret of every namespace without changing it, so
// that the API server stores it anew if it is not stored as the configuration
// says now. done, if not nil, is told after each how many of how many were
// rewritten; its calls do not overlap. It returns the number of Secrets.
func (a *APIServer) RewriteAll(ctx context.Context, done func(n, total int)) (int, error) {
	list, err := a.client.CoreV1().Secrets(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("list the Secrets on %s: %w", a.name, err)
	}
	var mu sync.Mutex
	n := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range list.Items {
		g.Go(func() error {
			if err := a.rewrite(ctx, &list.Items[i]); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			n++
			if done != nil {
				done(n, len(list.Items))
			}
			return nil
		})
	}
	return len(list.Items), g.Wait()
}

func (a *APIServer) rewrite(ctx context.Context, secret *corev1.Secret) error {
	secrets := a.client.CoreV1().Secrets(secret.Namespace)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		_, err := secrets.Update(ctx, secret, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			fresh, getErr := secrets.Get(ctx, secret.Name, metav1.GetOptions{})
			if getErr != nil {
				return getErr
			}
			secret = fresh
		}
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) { // deleted meanwhile
		return fmt.Errorf("rewrite the Secret %s/%s on %s: %w", secret.Namespace, secret.Name, a.name, err)
	}
	return nil
}

// probeKeyID writes a Secret, returns the key_id that etcd holds for it, empty
// if it is not sealed, and deletes it.
func (a *APIServer) probeKeyID(ctx context.Context) (string, error) {
	secrets := a.client.CoreV1().Secrets(metav1.NamespaceSystem)
	secret, err := secrets.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "key-id-probe-"},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("write a Secret to see its key_id: %w", err)
	}
	kv, err := a.etcd.Get(ctx, SecretKey(secret.Namespace, secret.Name), 0)
	if deleteErr := secrets.Delete(ctx, secret.Name, metav1.DeleteOptions{}); deleteErr != nil {
		return "", errors.Join(err, fmt.Errorf("delete the Secret that was written to see its key_id: %w", deleteErr))
	}
	if err != nil {
		return "", err
	}
	envelope, _ := ParseEnvelope(kv.Value)
	return envelope.Object.GetKeyID(), nil
}
