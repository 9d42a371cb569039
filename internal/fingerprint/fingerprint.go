// Package fingerprint tells equal keys without showing them: by HMACs under a key that is
// made for one run, or is read from a file so that several nodes can be compared.
//
// It must never give out its own key. Without that key an HMAC of a guessed key cannot be
// computed, and so tells nothing about a weak one.
package fingerprint

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Key makes HMACs.
type Key struct{ key [sha256.Size]byte }

// Random makes a key for one run.
func Random() *Key {
	k := &Key{}
	_, _ = rand.Read(k.key[:]) // it does not fail: crypto/rand ends the program instead
	return k
}

// The bounds of a key file, in bytes. What is shorter could be guessed.
const shortest, longest = 32, 1 << 20

// FromFile makes the key of a file: the SHA-256 of its bytes, of which there are at least 32
// and at most 1 MiB.
func FromFile(name string) (*Key, error) {
	file, err := filepath.Abs(name) // a tree takes a relative name as one from its root
	if err != nil {
		return nil, fmt.Errorf("find the fingerprint key %s: %w", name, err)
	}
	text, _, err := hostfacts.Tree{Root: "/"}.ReadFile(file, longest)
	if err != nil {
		return nil, fmt.Errorf("read the fingerprint key: %w", err)
	}
	defer clear(text)
	if len(text) < shortest {
		return nil, fmt.Errorf("the fingerprint key %s has %d bytes: it needs at least %d, such as those of head -c 32 /dev/urandom", name, len(text), shortest)
	}
	return &Key{key: sha256.Sum256(text)}, nil
}

// Name says which key it is: 16 hexadecimal digits. Two reports with the same name can be
// compared.
func (k *Key) Name() string {
	named := append([]byte("sealproof fingerprint key\x00"), k.sum([]byte("name"))...)
	sum := sha256.Sum256(named)
	return hex.EncodeToString(sum[:8])
}

// Of is the HMAC-SHA-256 of the bytes of a symmetric key, in hexadecimal.
func (k *Key) Of(secret []byte) string { return hex.EncodeToString(k.sum(secret)) }

// OfPublic is that of an asymmetric key: over its public half, as the DER form of a
// SubjectPublicKeyInfo (RFC 5280). It fails for a kind of key that x509 does not know.
func (k *Key) OfPublic(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("write a public key: %w", err)
	}
	return k.Of(der), nil
}

func (k *Key) sum(data []byte) []byte {
	mac := hmac.New(sha256.New, k.key[:])
	_, _ = mac.Write(data) // it does not fail
	return mac.Sum(nil)
}

// Format keeps the key out of whatever is printed or logged.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "fingerprint key "+k.Name()) }
