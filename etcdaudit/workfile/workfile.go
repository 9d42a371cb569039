// Package workfile makes files that a scan works in: without a name, so that they are gone when
// they are closed, even if this program is killed, and never so large that their file system is
// full.
package workfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Make makes a file without a name in a directory, mode 0600. It is called name in errors. An
// error is that of open(2) with O_TMPFILE, which not every file system knows: see Help.
func Make(dir, name string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Help is what to do where Make has failed.
const Help = "give a --work-dir that can be written, on a local file system"

// leave is how much of a file system stays free, in bytes: a few kilobytes can decompress to
// terabytes, and etcd stops where its disk is full.
const leave = 256 << 20

var errFull = fmt.Errorf("less than %d MiB would be left", leave>>20)

// Full reports whether an error is that there is no room.
func Full(err error) bool {
	return errors.Is(err, errFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// Writer writes to a file as long as its file system has room.
type Writer struct {
	File    *os.File
	checked int64 // bytes that may still be written before room is looked at again
}

// Write writes p, or nothing of it where less than 256 MiB would then be left of the file system:
// Full tells such an error, and those of a file system that is full, from others.
func (w *Writer) Write(p []byte) (int, error) {
	if w.checked < int64(len(p)) {
		var fs unix.Statfs_t
		if err := unix.Fstatfs(int(w.File.Fd()), &fs); err != nil {
			return 0, fmt.Errorf("look for room: %w", err)
		}
		free := int64(fs.Bavail)*fs.Bsize - leave //nolint:gosec // no file system has 2^63 blocks
		if w.checked = min(free, leave/4); w.checked < int64(len(p)) {
			return 0, errFull
		}
	}
	w.checked -= int64(len(p))
	return w.File.Write(p)
}
