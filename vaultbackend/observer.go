package vaultbackend

import (
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Observer is told what happens between this process and Vault. Its methods
// are called from many goroutines and must return at once.
type Observer interface {
	// Request reports one request, at however many nodes it was tried: its
	// operation (read_key, hmac, encrypt, decrypt, login, lookup, renew,
	// lookup_wrapping, unwrap, revoke), the class of its failure or 0, and how long it took.
	Request(op string, class backend.Class, d time.Duration)
	// Token reports a token that was just obtained or renewed. A zero expires
	// means that it does not expire.
	Token(expires time.Time, renewable bool)
	// SelfLookup reports whether the token of a login may look itself up. Where it
	// may not, a refusal of the key cannot be told from one of the token.
	SelfLookup(allowed bool)
	// Batch reports the number of items in one decrypt request.
	Batch(items int)
}

type noObserver struct{}

func (noObserver) Request(string, backend.Class, time.Duration) {}
func (noObserver) Token(time.Time, bool)                        {}
func (noObserver) SelfLookup(bool)                              {}
func (noObserver) Batch(int)                                    {}
