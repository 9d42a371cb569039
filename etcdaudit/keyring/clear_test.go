package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// What was opened and the keys are overwritten, not only let go.
func TestPlaintextAndKeysAreOverwritten(t *testing.T) {
	secret := bytes.Repeat([]byte{'Q'}, 32)
	plaintext := []byte("k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x0ecanary of plaintext")
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	plaintext = append(plaintext, bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	cbc := make([]byte, aes.BlockSize+len(plaintext))
	cipher.NewCBCEncrypter(block, cbc[:aes.BlockSize]).CryptBlocks(cbc[aes.BlockSize:], plaintext)
	for kind, ciphertext := range map[string][]byte{
		encryptionconfig.AESCBC:    cbc,
		encryptionconfig.AESGCM:    gcm.Seal(make([]byte, gcmNonce), make([]byte, gcmNonce), plaintext, nil),
		encryptionconfig.Secretbox: secretbox.Seal(make([]byte, secretboxNonce), plaintext, new([secretboxNonce]byte), (*[32]byte)(secret)),
	} {
		var ring Keyring
		if got := ring.Opener(kind, "key1", secret)(ciphertext, nil); got != encryptionconfig.Opened {
			t.Fatalf("%v: %d", kind, got)
		}
		opened := ring.opened[:cap(ring.opened)]
		var key *[32]byte
		if b, ok := ring.keys[0].scheme.(*box); ok {
			key = b.key
		}
		if len(opened) < len(plaintext) || !zero(opened) {
			t.Errorf("%s: what was opened is still there: %q", kind, opened)
		}
		ring.Clear()
		if key != nil && !zero(key[:]) {
			t.Errorf("%v: the key is still there", kind)
		}
	}
}

func TestTheKeyOfOneObjectIsOverwritten(t *testing.T) {
	key, err := NewDataKey(storedvalue.HKDFSeed, bytes.Repeat([]byte{'Q'}, 32))
	if err != nil {
		t.Fatal(err)
	}
	key.Open(nil, make([]byte, 100), nil)
	if s, ok := key.scheme.(*seeded); !ok || !zero(s.key[:]) || s.counter[0] == 0 {
		t.Error("the derived key is still there, or was never there")
	}
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
