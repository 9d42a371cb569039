package verify_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
	kmsservice "k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/test/testkit"
)

// plugin is a KMS v2 plugin with one AES key and as many key_ids as it is given. It
// binds a source to key_id and annotations. The API server's own code asks it to
// write, and the tests to open.
type plugin struct {
	keyID       string
	annotations map[string][]byte
	aead        cipher.AEAD

	mu    sync.Mutex
	asked []verify.Source
	fails error // what it answers instead
}

func newPlugin(t testing.TB, key byte, keyID string, annotations map[string][]byte) *plugin {
	t.Helper()
	block := testkit.Must(aes.NewCipher(bytes.Repeat([]byte{key}, 32)))(t)
	return &plugin{keyID: keyID, annotations: annotations, aead: testkit.Must(cipher.NewGCMWithRandomNonce(block))(t)}
}

func binding(keyID string, annotations map[string][]byte) []byte {
	var names []string
	for name := range annotations {
		names = append(names, name)
	}
	slices.Sort(names)
	text := fmt.Sprintf("%q", keyID)
	for _, name := range names {
		text += fmt.Sprintf("%q%q", name, annotations[name])
	}
	return []byte(text)
}

func (p *plugin) Encrypt(_ context.Context, _ string, dek []byte) (*kmsservice.EncryptResponse, error) {
	return &kmsservice.EncryptResponse{
		Ciphertext: p.aead.Seal(nil, nil, dek, binding(p.keyID, p.annotations)), KeyID: p.keyID, Annotations: p.annotations,
	}, nil
}

func (p *plugin) Decrypt(_ context.Context, _ string, req *kmsservice.DecryptRequest) ([]byte, error) {
	return p.aead.Open(nil, nil, req.Ciphertext, binding(req.KeyID, req.Annotations))
}

func (p *plugin) Status(context.Context) (*kmsservice.StatusResponse, error) {
	return &kmsservice.StatusResponse{Healthz: "ok", KeyID: p.keyID, Version: "v2"}, nil
}

func (p *plugin) Unwrap(_ context.Context, s verify.Source) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, s)
	if p.fails != nil {
		return nil, p.fails
	}
	secret, err := p.aead.Open(nil, nil, s.DEKSource, binding(s.KeyID, s.Annotations))
	if err != nil {
		return nil, &verify.UnwrapError{Outcome: verify.WrongKey, Err: errors.New("does not authenticate")}
	}
	return secret, nil
}

// apiServer is one start of an API server: it writes with one DEK source.
func (p *plugin) apiServer(t testing.TB, seed bool) value.Transformer {
	t.Helper()
	transformer, object, cacheKey, err := kmsv2.GenerateTransformer(t.Context(), "uid", p, seed)
	testkit.Check(t, err)
	state := func() (kmsv2.State, error) {
		return kmsv2.State{
			Transformer: transformer, EncryptedObjectKeyID: object.KeyID, EncryptedObjectEncryptedDEKSource: object.EncryptedDEKSource,
			EncryptedObjectAnnotations: object.Annotations, EncryptedObjectEncryptedDEKSourceType: object.EncryptedDEKSourceType,
			ExpirationTimestamp: time.Now().Add(time.Hour), CacheKey: cacheKey, KMSProviderName: "p",
		}, nil
	}
	return value.NewPrefixTransformers(nil, value.PrefixTransformer{
		Prefix: []byte("k8s:enc:kms:v2:p:"), Transformer: kmsv2.NewEnvelopeTransformer(p, "p", state, "id"),
	})
}

const canary = "correct horse battery staple"

// secret is a Secret as an API server encodes it.
func secret(t testing.TB, namespace, name string) []byte {
	t.Helper()
	return secretWith(t, namespace, name, canary)
}

func secretWith(t testing.TB, namespace, name, password string) []byte {
	t.Helper()
	scheme := runtime.NewScheme()
	testkit.Check(t, corev1.AddToScheme(scheme))
	object := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data:       map[string][]byte{"password": []byte(password)},
	}
	return testkit.Must(runtime.Encode(protobuf.NewSerializer(scheme, scheme), object))(t)
}

func keyOf(namespace, name string) string { return "/registry/secrets/" + namespace + "/" + name }

// write is the value of a Secret that is written under an etcd key.
func write(t testing.TB, w value.Transformer, etcdKey string, plaintext []byte) []byte {
	t.Helper()
	return testkit.Must(w.TransformToStorage(t.Context(), plaintext, value.DefaultContext(etcdKey)))(t)
}

// opener opens with a plugin and nothing else.
func opener(t testing.TB, u verify.Unwrapper) (*verify.Opener, *verify.Sources) {
	t.Helper()
	sources := verify.NewSources(u)
	o := verify.New(verify.Config{Sources: sources})
	t.Cleanup(func() { o.Clear(); sources.Clear() })
	return o, sources
}

func open(t testing.TB, o *verify.Opener, etcdKey string, stored []byte) verify.Result {
	t.Helper()
	before := bytes.Clone(stored)
	r := o.Open(t.Context(), []byte(etcdKey), stored)
	if !bytes.Equal(before, stored) {
		t.Error("the value was changed")
	}
	if shown := fmt.Sprintf("%+v", r); strings.Contains(shown, "horse") || strings.Contains(r.Why, canary) {
		t.Errorf("shown: %s", shown)
	}
	return r
}

// change is a stored value with its EncryptedObject changed.
func change(t testing.TB, stored []byte, f func(*kmstypes.EncryptedObject)) []byte {
	t.Helper()
	prefix := []byte("k8s:enc:kms:v2:p:")
	object := &kmstypes.EncryptedObject{}
	testkit.Check(t, proto.Unmarshal(bytes.TrimPrefix(stored, prefix), object))
	f(object)
	return append(bytes.Clone(prefix), testkit.Must(proto.Marshal(object))(t)...)
}
