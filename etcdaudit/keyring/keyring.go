// Package keyring opens stored values with keys, as the API server's own
// transformers do (k8s.io/apiserver v0.37.1, pkg/storage/value/encrypt): the keys
// of an EncryptionConfiguration, and the data keys that a KMS plugin unwraps.
//
// It must never give out a key, and it does no I/O. What it opens is put into a
// buffer of the caller's, who clears it.
package keyring

import (
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Keyring holds the keys of an EncryptionConfiguration in memory until Clear. The
// zero value is an empty one. Its openers are not safe for concurrent use; its
// Keys are.
type Keyring struct {
	keys []*Key
	// opened is what the last trial of an opener made of a value, cleared at once.
	opened []byte
}

// Key is one key. fmt shows nothing of it but its kind and name.
type Key struct {
	// Kind is the kind of its provider, as in encryptionconfig, and Name its own
	// name. A data key has neither.
	Kind, Name string
	scheme     scheme // nil for what is no key, and after clear
}

// scheme is how one kind of key encrypts. Pointers implement it, because fmt
// shows only their addresses.
type scheme interface {
	// open decrypts a ciphertext into dst, from its beginning and as far as its
	// capacity reaches. Where it fails, nothing stays there.
	open(dst, ciphertext, etcdKey []byte) ([]byte, encryptionconfig.Trial)
	// reveal decrypts a ciphertext into dst without asking whether it is
	// authentic; nil for what is too short.
	reveal(dst, ciphertext []byte) []byte
	// bound reports whether a ciphertext opens under its own etcd key alone.
	bound() bool
	clear()
}

// Opener keeps a key and returns what tries it. The secret's length has been
// checked.
func (r *Keyring) Opener(kind, name string, secret []byte) encryptionconfig.Opener {
	k := &Key{Kind: kind, Name: name, scheme: newScheme(kind, secret)}
	r.keys = append(r.keys, k)
	return func(ciphertext, etcdKey []byte) encryptionconfig.Trial {
		plaintext, trial := k.try(r.opened, ciphertext, etcdKey)
		if trial == encryptionconfig.Opened {
			clear(plaintext)
			r.opened = plaintext[:0]
		}
		return trial
	}
}

// Keys returns the keys that Opener has kept, in its order. They are valid until
// Clear.
func (r *Keyring) Keys() []*Key { return r.keys }

// Clear forgets every key: their openers open nothing more. A secretbox key is
// overwritten; of an AES key only the expanded form was kept, which the standard
// library gives no way to overwrite.
func (r *Keyring) Clear() {
	for _, k := range r.keys {
		k.Clear()
	}
	r.keys, r.opened = nil, nil
}

func newScheme(kind string, secret []byte) scheme {
	switch kind {
	case encryptionconfig.Secretbox:
		return newBox(secret)
	case encryptionconfig.AESGCM:
		return newGCM(secret)
	default:
		return newCBC(secret)
	}
}

func (k *Key) try(dst, ciphertext, etcdKey []byte) ([]byte, encryptionconfig.Trial) {
	if k.scheme == nil {
		return nil, encryptionconfig.Refused
	}
	return k.scheme.open(dst, ciphertext, etcdKey)
}

// Open decrypts the ciphertext of the value that is stored under an etcd key, into
// dst where its capacity suffices. ok is false where the key does not open it:
// nothing of it is then left in dst. With an aescbc key, which authenticates
// nothing, ok means that an object came out.
func (k *Key) Open(dst, ciphertext, etcdKey []byte) (plaintext []byte, ok bool) {
	plaintext, trial := k.try(dst, ciphertext, etcdKey)
	return plaintext, trial == encryptionconfig.Opened
}

// Reveal decrypts a ciphertext like Open, but authenticates nothing: what it
// returns may have been changed by anyone, or be noise. It shows why a ciphertext
// does not open. It returns nil where that is too short.
func (k *Key) Reveal(dst, ciphertext []byte) []byte {
	if k.scheme == nil {
		return nil
	}
	return k.scheme.reveal(dst, ciphertext)
}

// Bound reports whether what the key has written opens under its own etcd key
// alone. aescbc and secretbox bind a value to nothing.
func (k *Key) Bound() bool { return k.scheme != nil && k.scheme.bound() }

// Clear forgets the key, as Keyring.Clear does.
func (k *Key) Clear() {
	if k.scheme != nil {
		k.scheme.clear()
		k.scheme = nil
	}
}
