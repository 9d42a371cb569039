// Package filelock gets an advisory lock on a file (flock(2)) with the deadline of a
// context.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pause is the time between two tries while another process has the lock: flock has no
// deadline.
const pause = 10 * time.Millisecond

// Lock locks f exclusively. It waits until ctx ends, and then wraps the error of ctx.
// Closing f unlocks it. f may be a directory.
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
