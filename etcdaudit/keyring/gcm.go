package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"slices"

	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// gcmNonce is the size in bytes of what stands before an AES-GCM ciphertext.
const gcmNonce = 12

// gcm is aesgcm, and what KMS v2 encrypts objects with. It binds a value to its
// place in etcd: the whole etcd key is the associated data (authenticatedDataString
// in pkg/storage/etcd3/store.go).
type gcm struct {
	block cipher.Block
	aead  cipher.AEAD
}

// newGCM returns nil for what is no AES key.
func newGCM(key []byte) scheme {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil
	}
	return &gcm{block: block, aead: aead}
}

func (g *gcm) open(dst, ciphertext, etcdKey []byte) ([]byte, encryptionconfig.Trial) {
	if len(ciphertext) < gcmNonce {
		return nil, encryptionconfig.Refused
	}
	plaintext, err := g.aead.Open(dst[:0], ciphertext[:gcmNonce], ciphertext[gcmNonce:], etcdKey)
	if err != nil {
		return nil, encryptionconfig.Refused
	}
	return plaintext, encryptionconfig.Opened
}

// reveal is GCM without its tag: counter mode, whose first block is the tag's
// (NIST SP 800-38D, section 7.2).
func (g *gcm) reveal(dst, ciphertext []byte) []byte {
	n := len(ciphertext) - gcmNonce - g.aead.Overhead()
	if n < 0 {
		return nil
	}
	counter := [aes.BlockSize]byte{aes.BlockSize - 1: 2}
	copy(counter[:], ciphertext[:gcmNonce])
	plaintext := slices.Grow(dst[:0], n)[:n]
	cipher.NewCTR(g.block, counter[:]).XORKeyStream(plaintext, ciphertext[gcmNonce:][:n])
	return plaintext
}

func (g *gcm) bound() bool { return true }

func (g *gcm) clear() {}
