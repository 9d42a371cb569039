package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// LockMemory keeps all memory of this process, present and future, out of swap
// (mlockall(2)). A page is locked at its first use, so memory that Go reserves and
// never uses costs nothing (MCL_ONFAULT, Linux 4.4).
//
// It needs CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK. A large limit is refused: the
// lock would succeed, and the process would be killed when its heap exceeds the limit.
func LockMemory() error {
	if err := lockMemory(); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

func lockMemory() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err
	}
	capable, err := hasCapability(unix.CAP_IPC_LOCK)
	if err != nil {
		return err
	}
	if err := lockable(limit.Cur, capable); err != nil {
		return err
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// errLimit says what to do about a limit. Adding IPC_LOCK to a container does not
// help: a process that is not root has it in its bounding set only.
var errLimit = errors.New("with systemd set LimitMEMLOCK=infinity in the unit; in a container configure its runtime to lift the limit (a pod cannot ask for that), or turn swap off on the node instead")

// lockable decides whether a lock of all memory would last as long as the process.
func lockable(limit uint64, capable bool) error {
	if capable || limit == unix.RLIM_INFINITY {
		return nil
	}
	return fmt.Errorf("at most %d KiB may be locked (RLIMIT_MEMLOCK) and CAP_IPC_LOCK is missing: %w", limit/1024, errLimit)
}

// hasCapability reports whether a capability below 32 is effective.
func hasCapability(number uint) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read the capabilities of this process: %w", err)
	}
	return data[0].Effective&(1<<number) != 0, nil
}
