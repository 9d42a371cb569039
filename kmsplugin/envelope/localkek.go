package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/sealproof/sealproof/internal/transit"
)

const (
	// KEKSize is the size of a local KEK in bytes: AES-256.
	KEKSize = 32
	// FingerprintSize is the size in bytes of what tells local KEKs apart.
	FingerprintSize = 8
	hmacSize        = sha256.Size
	// localHeader is what precedes the nonce: localPrefix and the fingerprint.
	localHeader = 1 + FingerprintSize
	overhead    = 12 + 16 // GCM nonce and tag
)

// ErrAuthentication is returned when a ciphertext does not belong to the key,
// the key_id, the cluster and the annotation that came with it, or was damaged.
// Which of these cannot be told, by the nature of authenticated encryption.
var ErrAuthentication = errors.New("the ciphertext does not authenticate: it, its key_id or an annotation was changed")

// Fingerprint tells local KEKs apart without revealing anything of them.
type Fingerprint [FingerprintSize]byte

// LocalKEK is a working key derived from, or unwrapped by, one version of the
// key in Vault. It never leaves the process. It is safe for concurrent use.
type LocalKEK struct {
	fingerprint Fingerprint
	aead        cipher.AEAD
}

// DeriveKEK returns the bytes of the local KEK of a binding:
// HKDF-SHA-256 (RFC 5869, no salt) of Vault's HMAC over b.DeriveLabel(), with
// that same label as info. mac must be 32 bytes. The caller clears the result.
func DeriveKEK(mac []byte, b Binding) ([]byte, error) {
	if len(mac) != hmacSize {
		return nil, fmt.Errorf("derive local KEK: HMAC has %d bytes, want %d", len(mac), hmacSize)
	}
	// The key is copied out: the runtime overwrites what was allocated inside, the
	// caller overwrites what is outside.
	key := make([]byte, KEKSize)
	var err error
	secretly(func() {
		var derived []byte
		derived, err = hkdf.Key(sha256.New, mac, nil, string(b.DeriveLabel()), KEKSize)
		copy(key, derived)
		clear(derived)
	})
	if err != nil {
		return nil, fmt.Errorf("derive local KEK: %w", err)
	}
	return key, nil
}

// NewLocalKEK returns the local KEK with the given 32 bytes, which it does not
// keep.
func NewLocalKEK(key []byte) (*LocalKEK, error) {
	if len(key) != KEKSize {
		return nil, fmt.Errorf("local KEK has %d bytes, want %d", len(key), KEKSize)
	}
	k := new(LocalKEK)
	var err error
	// The expanded key cannot be reached from here to be overwritten when the local
	// KEK is dropped. Only where it was allocated decides whether it is.
	secretly(func() { err = k.expand(key) })
	if err != nil {
		return nil, fmt.Errorf("local KEK: %w", err)
	}
	return k, nil
}

func (k *LocalKEK) expand(key []byte) error {
	fp, err := hkdf.Key(sha256.New, key, nil, string(canonical("sealproof/1/fingerprint")), FingerprintSize)
	if err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	k.fingerprint = Fingerprint(fp)
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	// The nonce is drawn inside the constructor's boundary: the form that FIPS
	// 140-3 approves. Random nonces allow 2^32 seeds under one key; an API
	// server asks for one at its start and one after each rotation.
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return err
}

// Fingerprint identifies the key.
func (k *LocalKEK) Fingerprint() Fingerprint { return k.fingerprint }

// Wrap returns the stored form of a DEK seed. wrappedKEK is this local KEK as
// Transit has wrapped it; it is stored beside the seed.
func (k *LocalKEK) Wrap(b Binding, wrappedKEK, seed []byte) Stored {
	out := make([]byte, 0, localHeader+overhead+len(seed))
	out = append(out, localPrefix)
	out = append(out, k.fingerprint[:]...)
	data := b.seedData(wrappedKEK)
	// Ciphers leave round keys in the vector registers. The next signal of the
	// garbage collector would write those to memory, where nothing overwrites them.
	secretly(func() {
		out = k.aead.Seal(out, nil, seed, data) //nolint:gosec // no nonce is passed: the constructor draws it
	})
	version, _ := transit.Version(wrappedKEK)
	return Stored{Form: FormLocal, Binding: b, Version: version, Ciphertext: out, Wrapped: wrappedKEK, Fingerprint: k.fingerprint}
}

// Unwrap returns the seed inside s, which is in FormLocal, or ErrAuthentication.
func (k *LocalKEK) Unwrap(s Stored) ([]byte, error) {
	data := s.Binding.seedData(s.Wrapped)
	var seed []byte
	var err error
	secretly(func() { seed, err = k.aead.Open(nil, nil, s.Ciphertext[localHeader:], data) })
	if err != nil {
		return nil, ErrAuthentication
	}
	return seed, nil
}
