package cluster

import (
	"context"
	"fmt"
	"time"
)

// startLimit bounds every wait for readiness, so that nothing hangs when the
// caller's context has no end. It is wide because a machine may build and test
// at once, which makes everything many times as slow: no test is about how long a
// server takes.
const startLimit = 5 * time.Minute

// tryLimit bounds one try, so that a server that accepts a connection and then
// says nothing is asked again. A try that is cut short has done nothing but keep
// a busy machine busier, so it is far longer than one that succeeds.
const tryLimit = 30 * time.Second

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
