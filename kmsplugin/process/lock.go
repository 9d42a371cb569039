package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// LockMemory keeps all memory of this process, present and future, out of swap
// (mlockall(2)). A page is locked when it is first used, so what Go reserves and
// never touches costs nothing (MCL_ONFAULT, Linux 4.4).
//
// It needs CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK. With a limit that is only
// large, the lock itself would succeed, and the process die later, in the middle
// of its work, when the heap grows past it; so that is refused.
func LockMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	capable, err := hasCapability(unix.CAP_IPC_LOCK)
	if err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	if err := lockable(limit.Cur, capable); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

// errLimit says what to do about a limit. To add IPC_LOCK to a container does not
// help: a process that is not root has it in its bounding set only.
var errLimit = errors.New("with systemd set LimitMEMLOCK=infinity in the unit; in a container have its runtime lift the limit (a pod cannot ask for that), or turn swap off on the node instead")

// lockable decides whether a lock of all memory would hold for as long as the
// process runs.
func lockable(limit uint64, capable bool) error {
	if capable || limit == unix.RLIM_INFINITY {
		return nil
	}
	return fmt.Errorf("at most %d KiB may be locked (RLIMIT_MEMLOCK) and CAP_IPC_LOCK is missing: %w", limit/1024, errLimit)
}

// hasCapability reports whether a capability below 32 is in force.
func hasCapability(number uint) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("look at the capabilities of this process: %w", err)
	}
	return data[0].Effective&(1<<number) != 0, nil
}
