package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// startLimit bounds every wait, so that nothing hangs when the caller's context has
// no end, or one that is far away. It is wide because a machine may build and test
// at once, which makes everything many times as slow: no test is about how long a
// server takes.
const startLimit = 10 * time.Minute

// tryLimit bounds one try, so that a server that accepts a connection and then
// says nothing is asked again. A try that is cut short has done nothing but keep
// a busy machine busier, so it is far longer than one that succeeds.
const tryLimit = 30 * time.Second

// Hopeless marks an error of Until's try after which it is not worth trying again:
// what is waited for can no longer come.
func Hopeless(err error) error { return &hopeless{err} }

type hopeless struct{ error }

func (h *hopeless) Unwrap() error { return h.error }

// Until calls try until it succeeds, at first often and then every quarter of
// a second. It fails with try's last error when ctx ends, after ten minutes in any
// case, and at once with one that is Hopeless.
func Until(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	const shortest, longest = 10 * time.Millisecond, 250 * time.Millisecond
	for pause := shortest; ; pause = min(pause*3/2, longest) {
		err := bounded(ctx, try)
		if err == nil {
			return nil
		}
		if end, ok := errors.AsType[*hopeless](err); ok {
			return fmt.Errorf("not worth waiting any longer: %w", end.error)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", context.Cause(ctx), err)
		}
	}
}

func bounded(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	return try(ctx)
}
