// Package atomicfile gives a file new content, all of it or none. It must never know what the
// content is, nor what a program advises where a file cannot be written.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// What is not replaced. Errors of the operating system are returned without the path, which
// may be that of a temporary file: callers name the file.
var (
	// ErrLink is returned because a link in a directory that others write to could lead
	// anywhere.
	ErrLink      = errors.New("it is a symbolic link: name the file that it leads to")
	ErrDirectory = errors.New("it is a directory: name a file in it")
	// ErrIrregular is returned for a pipe, a socket or a device: a rename would remove it.
	ErrIrregular = errors.New("it is no regular file")
)

// Write gives a file the mode and what write writes. A reader never sees a part, and a full disk
// leaves what was there and nothing else.
func Write(name string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	f, err := beside(name)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	for _, step := range []func() error{
		func() error { return write(f) },
		func() error { return f.Chmod(mode) }, // not before: until then the owner alone reads it
		f.Sync,                                // a delayed "no space left" must come before the rename
		f.Close,
		func() error { return os.Rename(f.Name(), name) },
	} {
		if err := step(); err != nil {
			return reason(err)
		}
	}
	return nil
}

// Probe returns the error for which Write could not begin.
func Probe(name string) error {
	f, err := beside(name)
	if err != nil {
		return err
	}
	return reason(errors.Join(f.Close(), os.Remove(f.Name())))
}

// beside creates a temporary file, mode 0600, in the directory of a file that may be there
// already.
func beside(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, reason(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, ErrLink
	case info.IsDir():
		return nil, ErrDirectory
	case !info.Mode().IsRegular():
		return nil, ErrIrregular
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	return f, reason(err)
}

// reason leaves out the path of an error.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok {
		return at.Err
	}
	return err
}
