package kmsplugin

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Failures of the plugin's own making; those of the key store are
// backend.Errors, those of the formats seal's.
var (
	errOtherCluster  = errors.New("ciphertext of another cluster")
	errBareForbidden = errors.New("ciphertext without associated data is forbidden by decrypt.require-associated-data")
	errLeaseEnded    = errors.New("the lease of the local key has ended")
	errBusy          = errors.New("too many requests wait for the key store")
	errTooMany       = errors.New("too many requests are under way")
	errNotReady      = errors.New("not ready")
	errPanic         = errors.New("panic")
)

// foreignData says what else may be wrong with a ciphertext of another plugin that
// does not authenticate: nothing in it shows whether it was bound to anything.
const foreignData = "or the plugin that wrote it has bound it with associated data (or a context) of its own, which is not stored: only that plugin can open it"

// code is the one table from what went wrong to what the API server is told. A
// code that invites a retry is given only where a retry can help without anybody
// changing anything.
func code(err error) codes.Code {
	switch {
	case errors.Is(err, envelope.ErrMalformed), errors.Is(err, envelope.ErrAuthentication):
		return codes.InvalidArgument
	case errors.Is(err, errOtherCluster), errors.Is(err, errBareForbidden):
		return codes.FailedPrecondition
	case errors.Is(err, errBusy), errors.Is(err, errTooMany):
		return codes.ResourceExhausted
	case errors.Is(err, errLeaseEnded):
		return codes.Unavailable
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	if _, ok := errors.AsType[*backend.Error](err); !ok {
		if errors.Is(err, errNotReady) {
			return codes.Unavailable
		}
		return codes.Internal
	}
	switch backend.ClassOf(err) {
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

// public turns an error into what the API server is told: a code and text made
// of approved words. Causes, with addresses and the key store's own words, go to
// the log instead.
func public(err error) error {
	c := code(err)
	text := err.Error()
	if _, ok := errors.AsType[*backend.Error](err); ok {
		text = backend.Public(err)
		if errors.Is(err, errNotReady) {
			text = errNotReady.Error() + ": " + text
		}
	} else if c == codes.Internal {
		text = "internal error, see the plugin's log"
	}
	return status.Error(c, text)
}
