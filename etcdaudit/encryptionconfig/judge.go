package encryptionconfig

import "github.com/sealproof/sealproof/etcdaudit/storedvalue"

// Standing is how a stored value relates to the configuration.
type Standing uint8

const (
	// Unjudged: nothing can be said of it.
	Unjudged Standing = iota
	// AsConfigured: it is what would be written now.
	AsConfigured
	// StaleKey: the provider that writes now, but not its first key.
	StaleKey
	// StaleProvider: another provider of the list than the first.
	StaleProvider
	// Plaintext: not encrypted, although new values are.
	Plaintext
	// EncryptedUnconfigured: encrypted, although new values are not.
	EncryptedUnconfigured

	// With this configuration an API server fails on what follows.

	// UnreadablePlaintext: not encrypted, and the list has no identity.
	UnreadablePlaintext
	// UnreadableName: no provider of the list has a key of its name.
	UnreadableName
	// UnreadableKey: a key of its name is there and does not open it.
	UnreadableKey
	// UnreadableMistaken: another key of its name seems to fit, so that no later
	// one is tried.
	UnreadableMistaken
)

// String returns what a report says of a value.
func (s Standing) String() string {
	switch s {
	case AsConfigured:
		return "as configured"
	case StaleKey:
		return "older key"
	case StaleProvider:
		return "older provider"
	case Plaintext:
		return "plaintext though configured"
	case EncryptedUnconfigured:
		return "encrypted though not configured"
	case UnreadablePlaintext:
		return "unreadable: identity is missing"
	case UnreadableName:
		return "unreadable: no provider or key of this name"
	case UnreadableKey:
		return "unreadable: the key of this name does not open it"
	case UnreadableMistaken:
		return "unreadable: a wrong key of this name seems to fit, and no later one is tried"
	default:
		return ""
	}
}

// Trial is what came of trying a key on a value.
type Trial uint8

const (
	// Untried: there is no key to try, and the name decides.
	Untried Trial = iota
	// Refused: the key does not open the value. The API server tries the next.
	Refused
	// Opened: there is an object.
	Opened
	// Garbled: the key seems to fit, but there is no object. The API server
	// notices that only after it has chosen the key, and fails.
	Garbled
)

// Opener tries one key on what follows its name in the value that is stored
// under an etcd key.
type Opener func(ciphertext, etcdKey []byte) Trial

// Verdict is how a value stands and what that rests on.
type Verdict struct {
	Standing Standing
	// Value is the judged value, read under the name of the key that was tried.
	Value storedvalue.Value
	// Opened is set where a key has opened the value. Where no key was there to
	// try, its name alone decided.
	Opened bool
}

// Judge says how the value that is stored under an etcd key relates to the rule.
func (r Rule) Judge(etcdKey []byte, v storedvalue.Value) Verdict {
	switch {
	case !v.Format.Plaintext():
		return r.judgeEncrypted(etcdKey, v)
	case !r.readsPlaintext():
		return Verdict{Standing: UnreadablePlaintext, Value: v}
	case r.Encrypts():
		return Verdict{Standing: Plaintext, Value: v}
	default:
		return Verdict{Standing: AsConfigured, Value: v}
	}
}

// judgeEncrypted tries keys in the API server's order: every one whose name,
// with a colon, the value continues. That can be several: a name may contain
// colons, and be given twice.
func (r Rule) judgeEncrypted(etcdKey []byte, v storedvalue.Value) Verdict {
	verdict := Verdict{Standing: UnreadableName, Value: v}
	for i, p := range r.Providers {
		for j, name := range p.Names {
			named, ok := v.Under(name)
			if p.Format != v.Format || !ok || named.Problem != storedvalue.NoProblem {
				continue
			}
			switch standing := r.standing(i, j); p.try(j, etcdKey, named) {
			case Opened:
				return Verdict{Standing: standing, Value: named, Opened: true}
			case Garbled:
				return Verdict{Standing: UnreadableMistaken, Value: named}
			case Refused:
				verdict = Verdict{Standing: UnreadableKey, Value: named}
			case Untried:
				if verdict.Standing != UnreadableName && verdict.Standing != standing {
					standing = Unjudged // a name does not say which of its keys it was
				}
				verdict = Verdict{Standing: standing, Value: named}
			}
		}
	}
	if verdict.Value.Problem != storedvalue.NoProblem {
		verdict.Standing = Unjudged
	}
	return verdict
}

func (p Provider) try(key int, etcdKey []byte, v storedvalue.Value) Trial {
	if p.openers == nil {
		return Untried
	}
	return p.openers[key](v.Ciphertext, etcdKey)
}

// standing is that of a value written with a key of a provider, by their places
// in the rule.
func (r Rule) standing(provider, key int) Standing {
	switch {
	case !r.Encrypts():
		return EncryptedUnconfigured
	case provider > 0:
		return StaleProvider
	case key > 0:
		return StaleKey
	default:
		return AsConfigured
	}
}
