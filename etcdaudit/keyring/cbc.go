package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// cbc is aescbc, which authenticates nothing: the padding is all that a wrong key
// can get wrong, and once in 256 times it does not.
type cbc struct{ block cipher.Block }

// newCBC returns nil for what is no AES key.
func newCBC(key []byte) scheme {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	return &cbc{block}
}

func (c *cbc) open(dst, ciphertext, _ []byte) ([]byte, encryptionconfig.Trial) {
	padded := c.reveal(dst, ciphertext)
	if padded == nil {
		return nil, encryptionconfig.Refused
	}
	size, ok := withoutPadding(padded)
	switch {
	case !ok:
		clear(padded)
		return nil, encryptionconfig.Refused
	case !storedvalue.IsObject(padded[:size]):
		clear(padded)
		return nil, encryptionconfig.Garbled
	default:
		clear(padded[size:]) // its caller sees, and clears, what is before it
		return padded[:size], encryptionconfig.Opened
	}
}

func (c *cbc) reveal(dst, ciphertext []byte) []byte {
	n := len(ciphertext) - aes.BlockSize
	if n < aes.BlockSize || n%aes.BlockSize != 0 {
		return nil
	}
	padded := slices.Grow(dst[:0], n)[:n]
	cipher.NewCBCDecrypter(c.block, ciphertext[:aes.BlockSize]).CryptBlocks(padded, ciphertext[aes.BlockSize:])
	return padded
}

func (c *cbc) bound() bool { return false }

func (c *cbc) clear() {}

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
