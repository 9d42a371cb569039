// Package keyring tries the keys of an EncryptionConfiguration on stored
// values, as the API server's own transformers do (k8s.io/apiserver v0.37.1,
// pkg/storage/value/encrypt/aes/aes.go and secretbox/secretbox.go).
//
// It must never give out a key or a byte of what it opened. It only says whether a
// key fits.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Keyring holds keys in memory until Clear. The zero value is an empty one. It
// is not safe for concurrent use.
type Keyring struct {
	// Pointers, because fmt shows only their addresses.
	keys []*key
	// opened is what the last trial made of a value, cleared at once.
	opened []byte
}

// key is an AES key or a secretbox key; the other field is nil, and both after Clear.
type key struct {
	ring      *Keyring
	block     cipher.Block
	secretbox *[32]byte
}

// Opener keeps a key and returns what tries it. The secret's length has been
// checked.
func (r *Keyring) Opener(kind, _ string, secret []byte) encryptionconfig.Opener {
	k := &key{ring: r}
	r.keys = append(r.keys, k)
	if kind == encryptionconfig.Secretbox {
		k.secretbox = (*[32]byte)(append([]byte(nil), secret...))
		return k.secretboxOpens
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return k.none // no AES key: it opens nothing
	}
	k.block = block
	if kind == encryptionconfig.AESGCM {
		return k.gcmOpens
	}
	return k.cbcOpens
}

// Clear forgets every key: their openers open nothing more. A secretbox key is
// overwritten; of an AES key only the expanded form was kept, which the standard
// library gives no way to overwrite.
func (r *Keyring) Clear() {
	for _, k := range r.keys {
		if k.secretbox != nil {
			clear(k.secretbox[:])
		}
		*k = key{}
	}
	r.keys, r.opened = nil, nil
}

// room is a buffer of n bytes for what a trial opens.
func (r *Keyring) room(n int) []byte {
	if cap(r.opened) < n {
		r.opened = make([]byte, n)
	}
	return r.opened[:n]
}

func (k *key) none(_, _ []byte) encryptionconfig.Trial { return encryptionconfig.Refused }

// Sizes in bytes of what stands before a ciphertext.
const (
	gcmNonce       = 12
	secretboxNonce = 24
)

// gcmOpens tries aesgcm, which binds a value to its place in etcd: the whole
// etcd key is the associated data (authenticatedDataString in
// pkg/storage/etcd3/store.go).
func (k *key) gcmOpens(ciphertext, etcdKey []byte) encryptionconfig.Trial {
	if k.block == nil || len(ciphertext) < gcmNonce {
		return encryptionconfig.Refused
	}
	aead, err := cipher.NewGCM(k.block)
	if err != nil {
		return encryptionconfig.Refused
	}
	plaintext := k.ring.room(len(ciphertext))
	defer clear(plaintext)
	if _, err := aead.Open(plaintext[:0], ciphertext[:gcmNonce], ciphertext[gcmNonce:], etcdKey); err != nil {
		return encryptionconfig.Refused
	}
	return encryptionconfig.Opened
}

// secretboxOpens tries secretbox, which binds a value to nothing.
func (k *key) secretboxOpens(ciphertext, _ []byte) encryptionconfig.Trial {
	if k.secretbox == nil || len(ciphertext) < secretboxNonce+secretbox.Overhead {
		return encryptionconfig.Refused
	}
	plaintext := k.ring.room(len(ciphertext))
	defer clear(plaintext)
	nonce := (*[secretboxNonce]byte)(ciphertext)
	if _, ok := secretbox.Open(plaintext[:0], ciphertext[secretboxNonce:], nonce, k.secretbox); !ok {
		return encryptionconfig.Refused
	}
	return encryptionconfig.Opened
}

// cbcOpens tries aescbc, which authenticates nothing: the padding is all that a
// wrong key can get wrong, and once in 256 times it does not.
func (k *key) cbcOpens(ciphertext, _ []byte) encryptionconfig.Trial {
	if k.block == nil || len(ciphertext) < 2*aes.BlockSize || len(ciphertext)%aes.BlockSize != 0 {
		return encryptionconfig.Refused
	}
	plaintext := k.ring.room(len(ciphertext) - aes.BlockSize)
	defer clear(plaintext)
	cipher.NewCBCDecrypter(k.block, ciphertext[:aes.BlockSize]).CryptBlocks(plaintext, ciphertext[aes.BlockSize:])
	size, ok := withoutPadding(plaintext)
	switch {
	case !ok:
		return encryptionconfig.Refused
	case !storedvalue.IsObject(plaintext[:size]):
		return encryptionconfig.Garbled
	default:
		return encryptionconfig.Opened
	}
}

// withoutPadding returns the length without PKCS#7 padding, and false where the
// API server sees none. Like the API server it accepts more than one block of
// it.
func withoutPadding(plaintext []byte) (int, bool) {
	padding := int(plaintext[len(plaintext)-1])
	size := len(plaintext) - padding
	if padding == 0 || size < 0 {
		return 0, false
	}
	for _, b := range plaintext[size:] {
		if int(b) != padding {
			return 0, false
		}
	}
	return size, true
}
