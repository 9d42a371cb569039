package keyring_test

import (
	"bytes"
	"crypto/aes"
	"fmt"
	"math/rand/v2"
	"testing"

	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/testkit"
)

// theirs is what the API server opens objects with, for an unwrapped DEK source.
func theirs(t *testing.T, typ storedvalue.DEKSourceType, secret []byte) (value.Transformer, error) {
	t.Helper()
	if typ == storedvalue.HKDFSeed {
		return aestransformer.NewHKDFExtendedNonceGCMTransformer(secret)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return aestransformer.NewGCMTransformer(block)
}

func TestDataKeysOpenWhatTheAPIServersTransformersWrite(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for _, typ := range []storedvalue.DEKSourceType{storedvalue.AESGCMKey, storedvalue.HKDFSeed} {
		for _, size := range []int{0, 1, 15, 16, 24, 31, 32, 33, 64, 65, 200} {
			secret := make([]byte, size)
			random.Read(secret)
			transformer, theirErr := theirs(t, typ, bytes.Clone(secret))
			key, err := keyring.NewDataKey(typ, secret)
			if (err == nil) != (theirErr == nil) {
				t.Errorf("type %d, %d bytes: %v, the API server: %v", typ, size, err, theirErr)
			}
			if err != nil {
				continue
			}
			clear(secret) // it is not kept
			var buffer []byte
			for _, length := range []int{0, 1, 31, 1000} {
				plaintext := bytes.Repeat([]byte{'x'}, length)
				stored := testkit.Must(transformer.TransformToStorage(t.Context(), plaintext, value.DefaultContext(etcdKey)))(t)
				got, ok := key.Open(buffer, stored, []byte(etcdKey))
				if !ok || !bytes.Equal(got, plaintext) {
					t.Errorf("type %d, %d bytes: %d bytes are not opened", typ, size, length)
				}
				if revealed := key.Reveal(nil, stored); !bytes.Equal(revealed, plaintext) {
					t.Errorf("type %d, %d bytes: %d bytes are revealed as %d", typ, size, length, len(revealed))
				}
				buffer = got[:0]
				if _, ok := key.Open(buffer, stored, []byte(etcdKey+"2")); ok {
					t.Errorf("type %d: opened under another etcd key", typ)
				}
				for n := range stored {
					damaged := bytes.Clone(stored)
					damaged[n] ^= 1
					if _, ok := key.Open(buffer, damaged, []byte(etcdKey)); ok {
						t.Fatalf("type %d: opened with byte %d changed", typ, n)
					}
					if _, ok := key.Open(buffer, stored[:n], []byte(etcdKey)); ok {
						t.Fatalf("type %d: opened with %d of %d bytes", typ, n, len(stored))
					}
				}
			}
			key.Clear()
			if _, ok := key.Open(nil, make([]byte, 100), nil); ok || key.Reveal(nil, make([]byte, 100)) != nil {
				t.Errorf("type %d: used after Clear", typ)
			}
		}
	}
	if _, err := keyring.NewDataKey(2, make([]byte, 32)); err == nil {
		t.Error("an unknown type of DEK source is accepted")
	}
}

// Where nothing was changed the revealed bytes are the object; where one byte was,
// the rest of it.
func TestRevealShowsWhatDoesNotOpen(t *testing.T) {
	for _, kind := range []string{encryptionconfig.AESCBC, encryptionconfig.AESGCM, encryptionconfig.Secretbox} {
		file := configFile(t, provider(kind, namedKey{"k", 1}))
		stored := testkit.Must(apiServer(t, file).TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey)))(t)
		var ring keyring.Keyring
		testkit.Must(encryptionconfig.LoadWithKeys(file, ring.Opener))(t)
		ciphertext := storedvalue.Parse(stored).Ciphertext
		key := ring.Keys()[0]
		if got, ok := key.Open(nil, ciphertext, []byte(etcdKey)); !ok || string(got) != object {
			t.Errorf("%s: opened as %q", kind, got)
		}
		ciphertext = bytes.Clone(ciphertext)
		ciphertext[len(ciphertext)-1] ^= 1
		if _, ok := key.Open(nil, ciphertext, []byte(etcdKey)); ok {
			t.Errorf("%s: opened with its last byte changed", kind)
		}
		if got := key.Reveal(nil, ciphertext); !bytes.HasPrefix(got, []byte(object[:16])) {
			t.Errorf("%s: revealed as %q", kind, got)
		}
		for n := range 24 {
			if got := key.Reveal(nil, ciphertext[:n]); got != nil {
				t.Errorf("%s: of %d bytes %q is revealed", kind, n, got)
			}
		}
		if shown := fmt.Sprintf("%v %+v %#v", key, key, key); bytes.Contains([]byte(shown), bytes.Repeat([]byte("1 "), 8)) {
			t.Errorf("%s: shown: %s", kind, shown)
		}
		ring.Clear()
		if _, ok := key.Open(nil, storedvalue.Parse(stored).Ciphertext, []byte(etcdKey)); ok || key.Bound() {
			t.Errorf("%s: used after Clear", kind)
		}
	}
}
