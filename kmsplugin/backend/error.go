package backend

import (
	"context"
	"errors"
	"fmt"
)

// Class says what a failure means for the keys that a process already holds.
// These must never be confused: an outage lets the plugin go on, a refusal
// makes it stop.
type Class int

const (
	// Outage: the backend could not be asked, or could not answer. Nothing is
	// known about the key.
	Outage Class = iota + 1
	// Credentials: the backend would not let this process in. It says nothing
	// about the key either.
	Credentials
	// Refusal: asked with credentials known to be good, the backend refuses
	// this key, or no longer has it.
	Refusal
	// VersionRefusal: the same for one version of the key, which is below the
	// backend's minimum.
	VersionRefusal
	// Item: this one ciphertext or request is at fault (authentication failed,
	// malformed, a version that does not exist yet), never the key.
	Item
	// Unsuitable: the key exists but cannot serve here, such as one of a wrong
	// type. Only an operator can change that.
	Unsuitable
)

// String returns the class's name as used in logs and metric labels.
func (c Class) String() string {
	switch c {
	case Outage:
		return "outage"
	case Credentials:
		return "credentials"
	case Refusal:
		return "refusal"
	case VersionRefusal:
		return "version_refusal"
	case Item:
		return "item"
	case Unsuitable:
		return "unsuitable"
	default:
		return "unknown"
	}
}

// ErrAuthentication is in the chain of an Item failure exactly if the key store
// tried to open the ciphertext with its version of the key and found that it does
// not authenticate. No other failure of an item proves that a version decrypts.
var ErrAuthentication = errors.New("message authentication failed")

// Error is a classified failure. Its text names the operation, the key and the
// reason, and never holds key material, tokens or plaintext.
type Error struct {
	Class  Class
	Op     string // what was being done to what: "decrypt transit/keys/k8s"
	Reason string // approved text, safe to show to any caller
	Err    error  // the cause, for logs; may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Op, e.Reason)
	}
	return fmt.Sprintf("%s: %s: %v", e.Op, e.Reason, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err. What carries none, a context's end
// included, is an Outage: the one class that destroys nothing.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Outage
}

// ReasonOf returns the approved reason of err, without what was being done.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within the deadline"
	}
	return "no answer"
}

// Public returns what may be shown to any caller of err: what was being done,
// and the approved reason, without the cause.
func Public(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Op + ": " + e.Reason
	}
	return ReasonOf(err)
}
