package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sealproof/sealproof/internal/atomicfile"
)

// folder is a directory with what can stand in the place of a file.
func folder(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "old"), []byte("before"), 0o600), os.Mkdir(filepath.Join(dir, "directory"), 0o700), syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.Symlink("old", filepath.Join(dir, "link")), os.Symlink("nowhere", filepath.Join(dir, "dangling")),
	); err != nil {
		t.Fatal(err)
	}
	return dir
}

// holds fails the test unless a file has this text and mode, and nothing was left beside it.
func holds(t *testing.T, dir, name, want string, mode fs.FileMode, entries int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	info, statErr := os.Stat(filepath.Join(dir, name))
	list, listErr := os.ReadDir(dir)
	if err := errors.Join(err, statErr, listErr); err != nil {
		t.Fatal(err)
	}
	if string(text) != want || info.Mode() != mode || len(list) != entries {
		t.Errorf("%s: %q, %v, %v", name, text, info.Mode(), list)
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestAFileIsReplacedOrMadeWithItsMode(t *testing.T) {
	for name, tt := range map[string]struct {
		mode    fs.FileMode
		entries int
	}{"old": {0o640, 5}, "new": {0o600, 6}} {
		dir := folder(t)
		if err := atomicfile.Write(filepath.Join(dir, name), tt.mode, text("after")); err != nil {
			t.Fatal(err)
		}
		holds(t, dir, name, "after", tt.mode, tt.entries)
	}
}

func TestAFailedWriteLeavesTheOldFileAndNothingElse(t *testing.T) {
	dir := folder(t)
	err := atomicfile.Write(filepath.Join(dir, "old"), 0o600, func(w io.Writer) error {
		return errors.Join(text("half of")(w), &os.PathError{Op: "write", Path: dir + "/.tmp-1", Err: syscall.ENOSPC})
	})
	if err == nil || err.Error() != "no space left on device" {
		t.Errorf("%v", err)
	}
	holds(t, dir, "old", "before", 0o600, 5)
}

func TestNothingElseIsReplacedBySurprise(t *testing.T) {
	dir := folder(t)
	for name, want := range map[string]error{
		"link": atomicfile.ErrLink, "dangling": atomicfile.ErrLink, "directory": atomicfile.ErrDirectory, "pipe": atomicfile.ErrIrregular, "missing/file": syscall.ENOENT, "old/file": syscall.ENOTDIR, "old": nil, "new": nil,
	} {
		if err := atomicfile.Probe(filepath.Join(dir, name)); !errors.Is(err, want) || err != nil && err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if want == nil {
			continue
		}
		if err := atomicfile.Write(filepath.Join(dir, name), 0o600, func(io.Writer) error { t.Error("it is written"); return nil }); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	holds(t, dir, "old", "before", 0o600, 5)
}
