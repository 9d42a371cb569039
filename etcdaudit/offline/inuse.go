package offline

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// inUse says why a database may change while it is read; empty if nothing shows that it may.
func inUse(name string, info fs.FileInfo) string {
	if pid := usedBy(info); pid != 0 {
		return fmt.Sprintf("process %d uses the file", pid)
	}
	if isMembers(name) && memberRuns(name) {
		return "an etcd uses its data directory"
	}
	return ""
}

// usedBy returns the process that holds a lock on a file; 0 if none does, or if this system
// does not tell. It takes no lock itself: a lock that the auditor held for a moment could keep
// an etcd from starting. etcd holds a flock on its database as long as it runs.
func usedBy(info fs.FileInfo) (pid int) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	device, inode := fmt.Sprintf("%02x:%02x", unix.Major(stat.Dev), unix.Minor(stat.Dev)), fmt.Sprint(stat.Ino)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" {
			continue
		}
		at := strings.LastIndexByte(fields[5], ':')
		if at < 0 || fields[5][at+1:] != inode {
			continue
		}
		// On btrfs and overlays stat shows another device than the one that is locked.
		holder, err := strconv.Atoi(fields[4])
		if fields[5][:at] == device || err == nil && isEtcd(holder) {
			return max(holder, 1)
		}
	}
	return 0
}

// writtenTo tells whether an etcd has a segment of its write-ahead log open. etcd holds a lock of
// the open file description on each segment that it may write to (etcd/client/pkg/fileutil,
// lock_linux.go). Such a lock can be asked for without taking one, and is seen from a container
// with process ids of its own as well, where /proc/locks does not show the database's.
func writtenTo(segment *os.File) bool {
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(segment.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// memberRuns tells whether an etcd writes to the log of the data directory that a database is in.
func memberRuns(db string) bool {
	dir := filepath.Join(filepath.Dir(filepath.Dir(db)), "wal")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(entry fs.DirEntry) bool {
		if !entry.Type().IsRegular() || !isSegmentName(entry.Name()) {
			return false
		}
		f, err := os.Open(filepath.Join(dir, entry.Name())) //nolint:gosec // beside what the caller named
		if err != nil {
			return false
		}
		defer func() { _ = f.Close() }()
		return writtenTo(f)
	})
}

func isEtcd(pid int) bool {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.HasPrefix(string(comm), "etcd")
}
