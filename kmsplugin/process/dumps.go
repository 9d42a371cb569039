// Package process keeps what is in this process's memory from leaving it: in core
// files, through a debugger, or into swap. It also knows whose rights a process
// has to files. It must never know what is in either.
package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ForbidDumps keeps memory out of core files, and other processes of the same
// user from attaching or from reading /proc/PID/mem (PR_SET_DUMPABLE, prctl(2)).
// It holds until the process executes another program. Root with CAP_SYS_PTRACE
// can still read everything; nothing in a process can prevent that.
func ForbidDumps() error {
	// Both: a limit of 0 does not bind a core_pattern that is a pipe, and the
	// other is what a handler behind such a pipe goes by.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
