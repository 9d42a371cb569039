package cluster

import (
	"context"
	"fmt"
	"time"
)

// startLimit bounds every wait for readiness, so that nothing hangs when the
// caller's context has no end. It is wide because a machine may build and test
// at once.
const startLimit = 2 * time.Minute

// tryLimit bounds one try, so that a server that accepts a connection and then
// says nothing is asked again.
const tryLimit = 10 * time.Second

// Until calls try until it succeeds, at first often and then every quarter of
// a second, and fails with try's last error when ctx ends.
func Until(ctx context.Context, try func(context.Context) error) error {
	const shortest, longest = 10 * time.Millisecond, 250 * time.Millisecond
	for pause := shortest; ; pause = min(pause*3/2, longest) {
		err := bounded(ctx, try)
		if err == nil {
			return nil
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
