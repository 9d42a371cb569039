package kmsplugin

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// Failures of this package. Those of the key store are backend.Errors; envelope and
// keystate have their own.
var (
	errOtherCluster     = errors.New("ciphertext of another cluster")
	errUnboundForbidden = errors.New("ciphertext without associated data is forbidden by decrypt.require-associated-data")
	errBusy             = errors.New("too many requests wait for the key store")
	errTooMany          = errors.New("too many requests are under way")
	errPanic            = errors.New("panic")
)

// unwrapError adds to a key store's failure which version wrapped what could not be
// unwrapped: an operator who has lost that key looks for this version in a backup.
type unwrapError struct {
	stored envelope.Stored
	err    error
}

func (e *unwrapError) Error() string { return e.text(e.err.Error()) }

func (e *unwrapError) Unwrap() error { return e.err }

func (e *unwrapError) text(cause string) string {
	text := fmt.Sprintf("open what key version %d sealed: %s", e.stored.Version, cause)
	if e.stored.Form == envelope.FormUnbound && errors.Is(e.err, backend.ErrAuthentication) {
		text += "; " + foreignData
	}
	return text
}

// foreignData says what else may be wrong with a ciphertext of another plugin that
// does not authenticate: the ciphertext does not show whether it was bound to anything.
const foreignData = "or the plugin that wrote it has bound it with associated data (or a context) of its own, which is not stored: only that plugin can open it"

// kind is a kind of failure that does not come from the key store, and the code that the
// API server is told.
type kind struct {
	err  error
	code codes.Code
}

// kinds lists them, as code looks for them.
func kinds() []kind {
	return []kind{
		{envelope.ErrMalformed, codes.InvalidArgument},
		{envelope.ErrAuthentication, codes.InvalidArgument},
		{errOtherCluster, codes.FailedPrecondition},
		{errUnboundForbidden, codes.FailedPrecondition},
		{errBusy, codes.ResourceExhausted},
		{errTooMany, codes.ResourceExhausted},
		{keystate.ErrLeaseEnded, codes.Unavailable},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{keystate.ErrNotReady, codes.Unavailable}, // unless its reason comes from the key store
		{errPanic, codes.Internal},
	}
}

// code is the one place that says what the API server is told of an error. A code that
// invites a retry is given only where a retry can help without anyone changing anything.
func code(err error) codes.Code {
	e, ofStore := errors.AsType[*backend.Error](err)
	for _, k := range kinds() {
		if errors.Is(err, k.err) && !(ofStore && k.err == keystate.ErrNotReady) { //nolint:errorlint // a row of the table, no chain
			return k.code
		}
	}
	if !ofStore {
		return codes.Internal
	}
	switch e.Class {
	case backend.Credentials:
		return codes.Unauthenticated
	case backend.Refusal:
		return codes.PermissionDenied
	case backend.VersionRefusal, backend.Unsuitable:
		return codes.FailedPrecondition
	case backend.Item:
		return codes.InvalidArgument
	default:
		return codes.Unavailable
	}
}

// classOf names the kind of an error in the log: the key store's class, or the text of
// the error that it is.
func classOf(err error) string {
	if e, ok := errors.AsType[*backend.Error](err); ok {
		return e.Class.String()
	}
	for _, k := range kinds() {
		if errors.Is(err, k.err) {
			return k.err.Error()
		}
	}
	return ""
}

// public turns an error into what the API server is told: a code, and a text made of
// approved words. Causes, with addresses and the key store's own words, are only logged.
func public(err error) error {
	c := code(err)
	text := err.Error()
	if _, ok := errors.AsType[*backend.Error](err); ok {
		text = backend.Public(err)
		if e, ok := errors.AsType[*unwrapError](err); ok {
			text = e.text(text)
		}
		if errors.Is(err, keystate.ErrNotReady) {
			text = keystate.ErrNotReady.Error() + ": " + text
		}
	} else if c == codes.Internal {
		text = "internal error, see the plugin's log"
	}
	return status.Error(c, text)
}
