package cluster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// dirPrefix begins the name of every cluster's directory. It is short because
// the path of a unix socket has at most 107 bytes.
const dirPrefix = "sealproof-"

// lockName is the file in a cluster's directory that its owner holds locked.
const lockName = "lock"

// workDir is a cluster's directory, and what makes sure that it goes away.
type workDir struct {
	path   string
	lock   *os.File
	reaper *exec.Cmd
	alive  io.Closer // the reaper's standard input: it ends when this process does
}

// newWorkDir makes a directory that only this user can enter, after removing
// those whose owners died together with their reapers.
func newWorkDir() (*workDir, error) {
	if err := removeStale(os.TempDir()); err != nil {
		return nil, err
	}
	for {
		path, err := os.MkdirTemp("", dirPrefix)
		if err != nil {
			return nil, fmt.Errorf("make the cluster's directory: %w", err)
		}
		lock, err := lockDir(path)
		if errors.Is(err, errLost) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d := &workDir{path: path, lock: lock}
		if err := d.startReaper(); err != nil {
			_ = lock.Close()
			return nil, errors.Join(err, os.RemoveAll(path))
		}
		return d, nil
	}
}

// errLost says that another process took a new directory for a stale one
// before it was locked.
var errLost = errors.New("directory removed before it was locked")

// lockDir creates and locks the lock file of a new directory.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in the directory that was just made
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errLost
	}
	if err != nil {
		return nil, fmt.Errorf("create the lock of %s: %w", dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// A remover may have held the lock, and the file be gone by now.
		var held, named os.FileInfo
		if held, err = f.Stat(); err == nil {
			named, err = os.Stat(f.Name())
		}
		if err == nil && os.SameFile(held, named) {
			return f, nil
		}
	}
	_ = f.Close()
	if err == nil || errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil, errLost
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// removeStale removes this user's cluster directories below parent whose lock
// is free.
func removeStale(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for stale directories in %s: %w", parent, err)
	}
	for _, dir := range dirs {
		// Anyone may create names in the temporary directory: follow no
		// symbolic link and touch no other user's directory.
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Getuid() {
			continue
		}
		if err := removeIfStale(dir); err != nil {
			return fmt.Errorf("remove the stale directory %s: %w", dir, err)
		}
	}
	return nil
}

func removeIfStale(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|syscall.O_NOFOLLOW, 0) //nolint:gosec // in a directory of this user
	if errors.Is(err, fs.ErrNotExist) {
		// Its owner is about to lock it, died just before, or is removing it.
		// Remove takes an empty directory only.
		_ = os.Remove(dir)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil
		}
		return err
	}
	return os.RemoveAll(dir)
}

// reaperScript waits for the end of its standard input, which only the
// cluster's process holds open, and removes the directory. The processes that
// write there are being killed at the same moment, so it tries for a while.
const reaperScript = `cat >/dev/null
n=0
until rm -rf -- "$1" 2>/dev/null || [ "$n" -ge 100 ]; do n=$((n+1)); sleep 0.1; done`

func (d *workDir) startReaper() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make the pipe to the reaper: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "sealproof-reaper", d.path) //nolint:gosec // a constant script; the path is an argument
	cmd.Dir = "/"
	cmd.Stdin = r
	// A session of its own: neither Ctrl-C nor a closed terminal reaches it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = r.Close()
	if err != nil {
		_ = w.Close()
		return fmt.Errorf("start the reaper of %s: %w", d.path, err)
	}
	d.reaper, d.alive = cmd, w
	return nil
}

// remove removes the directory and ends the reaper.
func (d *workDir) remove() error {
	err := os.RemoveAll(d.path)
	_ = d.alive.Close()
	if werr := d.reaper.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("reaper of %s: %w", d.path, werr))
	}
	_ = d.lock.Close()
	return err
}
