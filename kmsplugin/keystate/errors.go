package keystate

import (
	"errors"
	"fmt"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Failures that do not come from the key store; those that do are backend.Errors.
var (
	// ErrLeaseEnded is returned when the key store has not confirmed what is held
	// for longer than the lease.
	ErrLeaseEnded = errors.New("the lease of the local key has ended")
	// ErrNotReady is returned while there is no version to write with. The reason
	// is in its chain.
	ErrNotReady = errors.New("not ready")
	// ErrRehearsal is in the chain of every failure that a rehearsal causes.
	ErrRehearsal = errors.New("this is a rehearsal")
)

// withheldHint follows the reason of a refusal while data can still be saved.
const withheldHint = " (its local keys are withheld: kmsplugin status on this node says until when, and what to do)"

func refusalError(reason string) error {
	return &backend.Error{Class: backend.Refusal, Op: "use the key", Reason: reason}
}

// belowMinimum says why the key store refuses one version.
func belowMinimum(key backend.Key, version int, keyID string) string {
	return fmt.Sprintf("Vault refuses version %d of %s/%s (key_id %s): its minimum was raised above it", version, key.Mount, key.Name, keyID)
}
