// Package filelock waits for an advisory lock on a file (flock(2)) no longer than
// a context allows.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pause is how often a lock that another process holds is tried again. flock has
// no deadline of its own.
const pause = 10 * time.Millisecond

// Lock waits until f is locked exclusively, or until ctx ends, whose error it then
// wraps. Closing f unlocks it. f may be a directory.
func Lock(ctx context.Context, f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock of %s: %w", f.Name(), ctx.Err())
		case <-time.After(pause):
		}
	}
}
