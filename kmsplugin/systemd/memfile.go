package systemd

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// MaxBlob is the largest blob that is stored, in bytes.
const MaxBlob = 4 << 20

// allSeals are the seals that make a memory file immutable, also for its maker.
const allSeals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// newMemFile returns a sealed memory file (memfd_create(2)) that contains blob. It has
// no name in any file system, and is freed with its last descriptor.
func newMemFile(name string, blob []byte) (fd int, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("make a memory file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
		}
	}()
	for rest := blob; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return -1, fmt.Errorf("write a memory file: %w", err)
		}
		rest = rest[max(n, 0):]
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, allSeals); err != nil {
		return -1, fmt.Errorf("seal a memory file: %w", err)
	}
	return fd, nil
}

// readMemFile returns the content of a memory file. It fails unless newMemFile could
// have made the file under the given user id.
func readMemFile(fd, uid int) ([]byte, error) {
	// Without all seals, another process with a descriptor could change the content
	// after the check. Only memory files have seals.
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("not a memory file: %w", err)
	}
	if seals&allSeals != allSeals {
		return nil, fmt.Errorf("the memory file is not sealed (seals %#x)", seals)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("inspect the memory file: %w", err)
	}
	switch {
	case int64(st.Uid) != int64(uid):
		return nil, fmt.Errorf("user %d made the memory file, this process runs as user %d", st.Uid, uid)
	case st.Size <= 0 || st.Size > MaxBlob:
		return nil, fmt.Errorf("the memory file has %d bytes, want 1 to %d", st.Size, MaxBlob)
	}
	blob := make([]byte, st.Size)
	for at := 0; at < len(blob); {
		n, err := unix.Pread(fd, blob[at:], int64(at))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			clear(blob)
			return nil, fmt.Errorf("read the memory file: %d of %d bytes: %w", at, len(blob), err)
		}
		at += n
	}
	return blob, nil
}
