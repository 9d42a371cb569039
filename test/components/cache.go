package components

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// cacheVariable overrides where binaries are kept.
	cacheVariable = "SEALPROOF_CACHE"

	// tagFile marks a directory as a cache (https://bford.info/cachedir/), for
	// backup programs and for clean, which deletes nothing without it.
	tagFile = "CACHEDIR.TAG"
	tagText = "Signature: 8a477f597d28d172789f06886806bc55\n# Binaries built by Sealproof's tests. `make clean` removes them.\n"

	lockFile   = "build.lock"
	tempPrefix = "tmp-"

	// unusedFor is how long a binary that nothing asked for is kept. Every
	// change of a component leaves its old binary behind, up to 150 MB each.
	unusedFor = 14 * 24 * time.Hour
)

// cacheDir returns the directory in which binaries are kept: outside the
// repository, so that a fresh clone finds those of an older one.
func cacheDir() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a directory for the built components (set %s to choose one): %w", cacheVariable, err)
	}
	return filepath.Join(dir, "sealproof"), nil
}

// cache keeps binaries as DIR/ENTRY/BINARY. An entry appears complete or not
// at all: it is filled under a temporary name and renamed.
type cache struct{ dir string }

// open creates the directory. It refuses one that holds something else, which
// clean would otherwise delete one day.
func (c cache) open() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("create the directory for built components: %w", err)
	}
	tag := filepath.Join(c.dir, tagFile)
	if _, err := os.Stat(tag); err == nil {
		return nil
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("read the directory for built components: %w", err)
	}
	for _, e := range entries {
		// Another process may be writing the tag at this moment.
		if !strings.HasPrefix(e.Name(), tagFile) {
			return fmt.Errorf("%s holds files that are not Sealproof's: set %s to an empty directory", c.dir, cacheVariable)
		}
	}
	if err := os.WriteFile(tag, []byte(tagText), 0o600); err != nil {
		return fmt.Errorf("mark the directory for built components: %w", err)
	}
	return nil
}

// find returns the path of an entry's binary, if it is there, and notes that
// it was used.
func (c cache) find(entry, binary string) (string, bool) {
	dir := filepath.Join(c.dir, entry)
	path := filepath.Join(dir, binary)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	now := time.Now()
	// A failure only means that the entry looks older than it is.
	_ = os.Chtimes(dir, now, now)
	return path, true
}

// temp returns a new directory in which a binary can be built, on the same
// file system as the cache so that the later rename is atomic.
func (c cache) temp() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(c.dir, tempPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("create a directory to build in: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// put moves a finished directory of temp to its entry and returns the path of
// the binary in it. When another process was faster, its result is used.
func (c cache) put(temp, entry, binary string) (string, error) {
	err := os.Rename(temp, filepath.Join(c.dir, entry))
	if path, ok := c.find(entry, binary); ok {
		return path, nil
	}
	if err == nil {
		err = errors.New("the binary is missing")
	}
	return "", fmt.Errorf("keep %s in %s: %w", binary, c.dir, err)
}

// lock waits until no other process builds into the cache; waiting is called
// once if there is one.
func (c cache) lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the built components: %w", err)
	}
	// Polled, since a blocking flock could not be interrupted.
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for another process that builds components: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// prune removes entries, and leftovers of builds that were killed, that
// nothing has used since the given time. What cannot be removed stays: it
// only costs disk.
func (c cache) prune(before time.Time) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.IsDir() && info.ModTime().Before(before) {
			_ = os.RemoveAll(filepath.Join(c.dir, e.Name()))
		}
	}
}

// clean removes everything in the cache, and refuses a directory that is none.
func (c cache) clean() error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) || len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the directory of built components: %w", err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, tagFile)); err != nil {
		return fmt.Errorf("%s is not marked as a cache of Sealproof: nothing was removed: %w", c.dir, err)
	}
	var failed []error
	for _, e := range entries {
		if e.Name() == tagFile {
			continue // last, so that an interrupted clean can be repeated
		}
		failed = append(failed, os.RemoveAll(filepath.Join(c.dir, e.Name())))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("remove built components: %w", err)
	}
	return os.Remove(filepath.Join(c.dir, tagFile))
}

// holds says whether any version of a program has been built into the cache.
func (c cache) holds(name Name) bool {
	found, err := filepath.Glob(filepath.Join(c.dir, string(name)+"@*"))
	return err == nil && len(found) > 0
}
