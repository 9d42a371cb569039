package keyring

import (
	"slices"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/salsa20"

	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Sizes in bytes.
const (
	secretboxNonce = 24
	// polyKey is what secretbox takes from the beginning of its key stream for
	// its tag.
	polyKey = 32
)

// box is secretbox, which binds a value to nothing.
type box struct{ key *[32]byte }

func newBox(key []byte) scheme { return &box{(*[32]byte)(slices.Clone(key))} }

func (b *box) open(dst, ciphertext, _ []byte) ([]byte, encryptionconfig.Trial) {
	if len(ciphertext) < secretboxNonce+secretbox.Overhead {
		return nil, encryptionconfig.Refused
	}
	nonce := (*[secretboxNonce]byte)(ciphertext)
	plaintext, ok := secretbox.Open(dst[:0], ciphertext[secretboxNonce:], nonce, b.key)
	if !ok {
		return nil, encryptionconfig.Refused
	}
	return plaintext, encryptionconfig.Opened
}

// reveal is secretbox without its tag: XSalsa20 from behind the tag's key on.
func (b *box) reveal(dst, ciphertext []byte) []byte {
	n := len(ciphertext) - secretboxNonce - secretbox.Overhead
	if n < 0 {
		return nil
	}
	stream := slices.Grow(dst[:0], polyKey+n)[:polyKey+n]
	copy(stream[polyKey:], ciphertext[secretboxNonce+secretbox.Overhead:])
	salsa20.XORKeyStream(stream, stream, ciphertext[:secretboxNonce], b.key)
	clear(stream[:polyKey])
	return stream[polyKey:]
}

func (b *box) bound() bool { return false }

func (b *box) clear() { clear(b.key[:]) }
