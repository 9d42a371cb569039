package offline

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

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

func isEtcd(pid int) bool {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.HasPrefix(string(comm), "etcd")
}
