package storedvalue

import (
	"bytes"
	"unicode/utf8"
)

// maxName bounds the search for the end of a name, in bytes. The API server
// sets no bound; without one here a damaged value would be shown as one long
// name.
const maxName = 1024

// Sizes in bytes: pkg/storage/value/encrypt/aes/aes.go and
// pkg/storage/value/encrypt/secretbox/secretbox.go.
const (
	aesBlock          = 16
	gcmNonce          = 12
	gcmTag            = 16
	secretboxNonce    = 24
	secretboxOverhead = 16
)

// parseNamedKey reads "<key name>:<ciphertext>" of aescbc, aesgcm and secretbox.
// Such a name may contain colons itself. Where whole blocks do not follow the
// first colon of an aescbc value, the first one that they do follow ends the
// name: the value is sound and must not be called damaged.
func parseNamedKey(f Format, rest []byte) Value {
	name, ciphertext, problem := cutName(rest)
	v := Value{Format: f, Problem: problem, Name: name, Ciphertext: ciphertext, named: rest}
	if problem == NoProblem {
		v.Problem = checkCiphertext(f, ciphertext)
	}
	if v.Problem != CiphertextBlocks {
		return v
	}
	for end := len(name) + 1; end < min(len(rest), maxName+1) && rest[end] >= ' '; end++ {
		if rest[end] == ':' && checkCiphertext(f, rest[end+1:]) == NoProblem && utf8.Valid(rest[:end]) {
			return Value{Format: f, Name: rest[:end:end], Ciphertext: rest[end+1:], named: rest}
		}
	}
	return v
}

// Under reads a value as one that was written under a key or provider of this
// name, and returns false if it was not. An aescbc, aesgcm or secretbox value
// can be read under several names: every one that its bytes continue with a
// colon.
func (v Value) Under(name string) (Value, bool) {
	if v.named == nil {
		return v, string(v.Name) == name
	}
	n := len(name)
	if n == 0 || !hasPrefix(v.named, name) || len(v.named) == n || v.named[n] != ':' {
		return v, false
	}
	v.Name, v.Ciphertext = v.named[:n:n], v.named[n+1:]
	v.Problem = checkCiphertext(v.Format, v.Ciphertext)
	return v, true
}

// cutName splits at the first colon. The API server writes "<name>:" and allows
// a colon in a key's name, but then only its configuration says where the name
// ends.
func cutName(rest []byte) (name, after []byte, _ Problem) {
	end := bytes.IndexByte(rest[:min(len(rest), maxName+1)], ':')
	switch {
	case end > 0:
		return rest[:end:end], rest[end+1:], NoProblem
	case end < 0 && len(rest) > maxName:
		return nil, nil, NameTooLong
	default:
		return nil, nil, NameMissing
	}
}

func checkCiphertext(f Format, ciphertext []byte) Problem {
	switch f {
	case AESCBC:
		// PKCS#7 always adds at least one byte, so that there is a block after
		// the IV. The API server's reader would panic without one.
		if len(ciphertext) < 2*aesBlock {
			return CiphertextShort
		}
		if len(ciphertext)%aesBlock != 0 {
			return CiphertextBlocks
		}
	case AESGCM:
		if len(ciphertext) < gcmNonce+gcmTag {
			return CiphertextShort
		}
	case Secretbox:
		if len(ciphertext) < secretboxNonce+secretboxOverhead {
			return CiphertextShort
		}
	}
	return NoProblem
}
