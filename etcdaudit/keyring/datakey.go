package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Sizes in bytes of a seed, at least, and of the label of one object beside it
// (pkg/storage/value/encrypt/aes/aes_extended_nonce.go).
const (
	minSeed  = 32
	seedInfo = 32
)

// NewDataKey returns the key of the objects that KMS v2 has encrypted with an
// unwrapped DEK source. It does not keep secret. The key is not safe for concurrent
// use. An error means that secret is no such source.
func NewDataKey(typ storedvalue.DEKSourceType, secret []byte) (*Key, error) {
	switch typ {
	case storedvalue.HKDFSeed:
		if len(secret) < minSeed {
			return nil, fmt.Errorf("a seed of %d bytes, of which it needs at least %d", len(secret), minSeed)
		}
		return &Key{scheme: &seeded{mac: hmac.New(sha256.New, secret)}}, nil
	case storedvalue.AESGCMKey:
		if g := newGCM(secret); g != nil {
			return &Key{scheme: g}, nil
		}
		return nil, fmt.Errorf("a data key of %d bytes, which is no size of an AES key", len(secret))
	default:
		return nil, fmt.Errorf("an unknown type of DEK source: %d", typ)
	}
}

// seeded derives a key for each object: HKDF-SHA-256, expansion alone, with the
// first 32 bytes of the ciphertext as info (RFC 5869, section 2.3).
type seeded struct {
	mac hash.Hash
	// Kept here so that deriving allocates nothing.
	counter [1]byte
	key     [sha256.Size]byte
}

func (s *seeded) open(dst, ciphertext, etcdKey []byte) ([]byte, encryptionconfig.Trial) {
	if len(ciphertext) < seedInfo {
		return nil, encryptionconfig.Refused
	}
	return s.derive(ciphertext[:seedInfo]).open(dst, ciphertext[seedInfo:], etcdKey)
}

func (s *seeded) reveal(dst, ciphertext []byte) []byte {
	if len(ciphertext) < seedInfo {
		return nil
	}
	return s.derive(ciphertext[:seedInfo]).reveal(dst, ciphertext[seedInfo:])
}

// derive makes the key of one object. One block of HMAC-SHA-256 is all that an
// AES-256 key needs of HKDF's expansion; crypto/hkdf would begin with the seed
// each time, which takes two of its four blocks.
func (s *seeded) derive(info []byte) scheme {
	s.counter[0] = 1
	s.mac.Reset()
	s.mac.Write(info)
	s.mac.Write(s.counter[:])
	g := newGCM(s.mac.Sum(s.key[:0]))
	clear(s.key[:])
	return g
}

func (s *seeded) bound() bool { return true }

// clear drops the seed, which the standard library gives no way to overwrite.
func (s *seeded) clear() { s.mac = nil }
