package verify

import (
	"context"
	"errors"
	"fmt"
)

// Any asks several Unwrappers, one after the other, until one opens a source: a store
// in the middle of a migration, or a backup of before one, has sources of two plugins.
func Any(all ...Unwrapper) Unwrapper { return anyOf(all) }

type anyOf []Unwrapper

func (a anyOf) Unwrap(ctx context.Context, s Source) ([]byte, error) {
	err := errors.New("nothing was given that opens KMS v2")
	for i, u := range a {
		secret, failed := u.Unwrap(ctx, s)
		switch {
		case failed == nil:
			return secret, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("unwrap a DEK source: %w", context.Cause(ctx))
		case i == 0 || weight(failed) > weight(err):
			err = failed
		}
	}
	return nil, err
}

// weight says which of several failures counts. That one does not open a source proves
// nothing while another could not be asked; and who knows why it does not open it knows
// more of it than who does not.
func weight(err error) int {
	failure, ok := errors.AsType[*UnwrapError](err)
	switch {
	case !ok || failure.Outcome == NotEvaluated:
		return 3
	case failure.Outcome == WrongKey:
		return 0
	case failure.Outcome == Refused:
		return 1
	default:
		return 2
	}
}
