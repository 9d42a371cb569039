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

// poll calls try until it succeeds, and fails with its last error when ctx
// ends or stop is closed.
func poll(ctx context.Context, stop <-chan struct{}, try func(context.Context) error) error {
	const shortest, longest = 10 * time.Millisecond, 250 * time.Millisecond
	for pause := shortest; ; pause = min(pause*3/2, longest) {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-stop:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", context.Cause(ctx), err)
		}
	}
}

// Until calls try until it succeeds or ctx ends, at most every quarter of a
// second, and returns try's last error with the reason of the end.
func Until(ctx context.Context, try func(context.Context) error) error {
	return poll(ctx, nil, try)
}
