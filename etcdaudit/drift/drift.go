// Package drift says how a stored value relates to what an EncryptionConfiguration
// would write and can read now. It must never know a key: the configuration tries
// its own.
package drift

import (
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// Drift is how a stored value relates to the configuration.
type Drift uint8

const (
	// Unjudged: nothing can be said of the value.
	Unjudged Drift = iota
	// AsConfigured: it is what the API server would write now.
	AsConfigured
	// StaleKey: written by the provider that writes now, but not with its first key.
	StaleKey
	// StaleProvider: written by another provider of the list than the first.
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

// Unreadable reports whether an API server with this configuration fails on the
// value.
func (d Drift) Unreadable() bool { return d >= UnreadablePlaintext }

// String returns what a report says of a value; empty for Unjudged.
func (d Drift) String() string {
	switch d {
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

// Verdict is the drift of a value and what it rests on.
type Verdict struct {
	Drift Drift
	// Value is the judged value, read under the name of the key that was tried.
	Value storedvalue.Value
	// Opened is set where a key has opened the value. Otherwise the name of the
	// key decided alone.
	Opened bool
}

// Of judges the value that is stored under an etcd key by the rule for its resource.
func Of(r encryptionconfig.Rule, etcdKey []byte, v storedvalue.Value) Verdict {
	switch {
	case !v.Format.Plaintext():
		return ofEncrypted(r, etcdKey, v)
	case v.Problem != storedvalue.NoProblem && !r.Encrypts():
		return Verdict{Value: v} // it begins as encrypted values do: identity does not read it either
	case !r.ReadsPlaintext() && v.Problem == storedvalue.NoProblem:
		return Verdict{Drift: UnreadablePlaintext, Value: v}
	case r.Encrypts():
		return Verdict{Drift: Plaintext, Value: v}
	default:
		return Verdict{Drift: AsConfigured, Value: v}
	}
}

// ofEncrypted tries keys in the API server's order: every one whose name, with a
// colon, the value continues. That can be several: a name may contain colons, and be
// given twice.
func ofEncrypted(r encryptionconfig.Rule, etcdKey []byte, v storedvalue.Value) Verdict {
	verdict := Verdict{Drift: UnreadableName, Value: v}
	kind := v.Format.String()
	for i, p := range r.Providers {
		for j, name := range p.Names {
			named, ok := v.Under(name)
			if p.Kind != kind || !ok || named.Problem != storedvalue.NoProblem {
				continue
			}
			switch written := writtenBy(r, i, j); p.Try(j, named.Ciphertext, etcdKey) {
			case encryptionconfig.Opened:
				return Verdict{Drift: written, Value: named, Opened: true}
			case encryptionconfig.Garbled:
				return Verdict{Drift: UnreadableMistaken, Value: named}
			case encryptionconfig.Refused:
				verdict = Verdict{Drift: UnreadableKey, Value: named}
			case encryptionconfig.Untried:
				if verdict.Drift != UnreadableName && verdict.Drift != written {
					written = Unjudged // several keys have this name
				}
				verdict = Verdict{Drift: written, Value: named}
			}
		}
	}
	if verdict.Value.Problem != storedvalue.NoProblem {
		verdict.Drift = Unjudged
	}
	return verdict
}

// writtenBy is the drift of a value that a key of a provider has written, by their
// places in the rule.
func writtenBy(r encryptionconfig.Rule, provider, key int) Drift {
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
