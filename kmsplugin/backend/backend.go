// Package backend is the vocabulary between the KMS plugin and the key store that
// holds its root key: what a key is, what may be asked of it, and what each kind of
// failure means. It is a leaf: it does no I/O and knows neither gRPC nor Vault.
package backend

import (
	"context"
	"time"
)

// Key is what the backend says about one key at one moment.
type Key struct {
	// Mount is the canonical path of the secrets engine, with its namespace
	// and without leading or trailing slashes: "transit", "team-a/transit".
	Mount string
	// Name is the key's name inside the mount.
	Name string
	// Type is the backend's own name of the algorithm, such as "aes256-gcm96".
	Type string
	// Derived is set when the key needs a context for each request; such a key
	// cannot serve.
	Derived bool

	// Latest is the newest version; versions count from 1.
	Latest int
	// MinDecryption is the oldest version the backend still decrypts, at least 1.
	MinDecryption int
	// MinEncryption is the oldest version the backend still encrypts with;
	// 0 when it sets no bound of its own.
	MinEncryption int
	// Created maps every version that the backend still lists to its creation
	// time, in whole seconds. Versions below MinDecryption are not listed.
	Created map[int]time.Time

	DeletionAllowed      bool
	Exportable           bool
	AllowPlaintextBackup bool
	// AutoRotatePeriod is 0 when the backend does not rotate by itself.
	AutoRotatePeriod time.Duration

	// Clock is the backend's own clock as read while this answer was fetched.
	Clock ClockReading
}

// OldestSealable returns the oldest version that new data may be written with.
func (k Key) OldestSealable() int { return max(k.MinDecryption, k.MinEncryption, 1) }

// ClockReading is one look at the backend's clock: at some moment between Sent
// and Received it showed a time in [Server, Server+1s). A zero Server means
// that the answer named no time.
type ClockReading struct {
	Server   time.Time
	Sent     time.Duration // time since boot, suspended time included
	Received time.Duration // likewise
}

// HMACItem asks for HMAC-SHA-256 over Input under one version of the key.
type HMACItem struct {
	Version int
	Input   []byte
}

// EncryptItem asks to wrap Plaintext under one version of the key.
type EncryptItem struct {
	Version        int
	Plaintext      []byte
	AssociatedData []byte // nil for none
}

// DecryptItem asks to open what EncryptItem produced.
type DecryptItem struct {
	Ciphertext     []byte
	AssociatedData []byte // nil for none
}

// Result is the answer to one item. Exactly one of Data and Err is set.
type Result struct {
	Data []byte
	Err  error
}

// Backend is one key in an external key store. All methods are safe for
// concurrent use, keep within the context's deadline, and fail with errors that
// ClassOf understands. The batch methods return one Result an item, in order,
// or an error that concerns the request as a whole; one bad item never fails
// its neighbours.
type Backend interface {
	// ReadKey fetches the key's metadata.
	ReadKey(ctx context.Context) (Key, error)
	// HMAC returns 32 bytes an item.
	HMAC(ctx context.Context, items []HMACItem) ([]Result, error)
	// Encrypt returns ciphertexts whose version was checked against the one
	// that was asked for.
	Encrypt(ctx context.Context, items []EncryptItem) ([]Result, error)
	// Decrypt returns plaintexts. Identical items asked for at the same time
	// cost one request; distinct ones share requests.
	Decrypt(ctx context.Context, items []DecryptItem) ([]Result, error)
}
