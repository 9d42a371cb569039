package testkit

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// FileSystem is a directory that is a file system in memory of its own, until the test ends. Its
// size is as in mount's option, such as 200m. It is mounted for another process alone, and
// found through that one's root.
func FileSystem(t testing.TB, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := `mount --make-rprivate / && mount -t tmpfs -o "size=$0" none "$1" && echo mounted && exec cat`
	cmd := exec.Command("sh", "-c", script, size, dir) //nolint:gosec // what a test mounts
	cmd.SysProcAttr = OwnMounts()
	var said strings.Builder
	cmd.Stderr = &said
	in := Must(cmd.StdinPipe())(t) // it ends with this process, whatever ends that
	out := Must(cmd.StdoutPipe())(t)
	Check(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = cmd.Wait()
		t.Fatalf("mount a file system: %v: %s", err, said.String())
	}
	return fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, dir)
}

// OwnMounts makes a process root in a namespace of mounts of its own, whoever runs the tests.
func OwnMounts() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		// In a user namespace of its own anybody is root.
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return a
}
