// Package process protects this process's memory from core files, debuggers and
// swap. It must never know what is in that memory.
package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ForbidDumps disables core files, and prevents other processes of the same user from
// attaching or reading /proc/PID/mem (PR_SET_DUMPABLE, prctl(2)). It lasts until the
// process executes another program. Root with CAP_SYS_PTRACE can still read
// everything; a process cannot prevent that.
func ForbidDumps() error {
	// Both are needed: a core_pattern that is a pipe ignores the limit, and its handler
	// respects PR_SET_DUMPABLE.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("disable core files (RLIMIT_CORE): %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("disable core files (PR_SET_DUMPABLE): %w", err)
	}
	return nil
}
