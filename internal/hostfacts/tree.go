package hostfacts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is a file system below a root directory: the host's ("/"), a process's
// (/proc/PID/root), or a folder of collected files. Paths and links are resolved as for a
// process with that root, so that a link in a collected folder never leads out of it.
type Tree struct{ Root string }

// Opened is a file or directory of a tree.
type Opened struct {
	Path
	// Size is how many bytes a file has.
	Size int64
	// ModTime is when its content was written, Changed when its inode was (ctime).
	ModTime, Changed time.Time
}

// Stat inspects a file, or the target of a link.
func (t Tree) Stat(name string) (o Opened) {
	f, err := t.open(name, unix.O_PATH)
	if err != nil {
		o.Path = newPath(nil, missing(err))
		return o
	}
	defer func() { _ = f.Close() }()
	return t.stat(f)
}

func (t Tree) stat(f *os.File) (o Opened) {
	info, err := f.Stat()
	o.Path = newPath(info, err)
	if err != nil {
		return o
	}
	if t.Root != "/" {
		// Users of another root are not those of this host.
		o.Owner = fmt.Sprintf("uid %d", o.UID)
	}
	o.Size, o.ModTime = info.Size(), info.ModTime()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		o.Changed = time.Unix(st.Ctim.Unix())
	}
	return o
}

// ReadFile reads a regular file of at most limit bytes. It never waits: a pipe or a device
// in the place of the file is an error.
func (t Tree) ReadFile(name string, limit int64) ([]byte, Opened, error) {
	f, err := t.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, Opened{}, err
	}
	defer func() { _ = f.Close() }()
	o := t.stat(f)
	if !o.Mode.IsRegular() {
		return nil, o, fmt.Errorf("%s is a %s, not a regular file", t.show(name), o.Kind())
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, o, fmt.Errorf("read %s: %w", t.show(name), plain(err))
	case int64(len(data)) > limit:
		clear(data)
		return nil, o, fmt.Errorf("%s has more than %d bytes", t.show(name), limit)
	}
	return data, o, nil
}

// mostEntries bounds a directory.
const mostEntries = 4096

// ReadDir returns the entries of a directory in the order of their names. Of one with more
// than 4096 it returns as many, those that the kernel gives first, with an error that says so.
func (t Tree) ReadDir(name string) ([]fs.DirEntry, error) { return t.readDir(name, mostEntries) }

func (t Tree) readDir(name string, most int) ([]fs.DirEntry, error) {
	f, err := t.open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", t.show(name), plain(err))
	}
	err = nil
	if len(entries) > most {
		entries, err = entries[:most], fmt.Errorf("%s has more than %d entries, and the others were not read", t.show(name), most)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Resolve returns the path of a file without links. It fails if the file does not exist.
func (t Tree) Resolve(name string) (string, error) {
	const mostLinks = 40 // as in Linux (path_resolution(7))
	at, rest := "/", strings.Split(path.Clean("/"+name), "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		link, err := t.readlink(next)
		if errors.Is(err, errNoLink) {
			at = next
			continue
		}
		if err != nil {
			return "", err
		}
		if links++; links > mostLinks {
			return "", fmt.Errorf("%s: %w", t.show(name), unix.ELOOP)
		}
		if strings.HasPrefix(link, "/") {
			at = "/"
		}
		rest = append(strings.Split(link, "/"), rest...)
	}
	return at, nil
}

// errNoLink says that a file is no link, or that it may not be read as one.
var errNoLink = errors.New("not a link")

// readlink returns what a link says. Links on the way to it are followed.
func (t Tree) readlink(name string) (string, error) {
	f, err := t.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(f.Fd()), "", target)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL): // readlinkat(2), of a file
		return "", errNoLink
	case err != nil:
		return "", fmt.Errorf("read the link %s: %w", t.show(name), err)
	}
	return string(target[:n]), nil
}

// Way inspects every directory from the root to a file, links resolved. It is empty if the
// file does not exist.
func (t Tree) Way(name string) (way []Path) {
	file, err := t.Resolve(name)
	if err != nil {
		return nil
	}
	dir := "/"
	for _, part := range strings.Split(strings.Trim(path.Dir(file), "/"), "/") {
		way = append(way, t.Stat(dir).Path)
		if part == "" {
			return way
		}
		dir = path.Join(dir, part)
	}
	return append(way, t.Stat(dir).Path)
}

func (t Tree) open(name string, flags uint64) (*os.File, error) {
	dir, err := unix.Open(t.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		// Not wrapped: a missing root does not mean that the path below it is missing.
		return nil, fmt.Errorf("open %s: %v", t.Root, err) //nolint:errorlint // see above
	}
	defer func() { _ = unix.Close(dir) }()
	how := &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range 10 { // openat2(2): EAGAIN where a part of the path was renamed meanwhile
		fd, errno := unix.Openat2(dir, name, how)
		if errno == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if err = errno; errno != unix.EAGAIN {
			break
		}
	}
	if needed := unavailable(err); needed != nil {
		return nil, needed
	}
	return nil, fmt.Errorf("open %s: %w", t.show(name), err)
}

// Check returns an error if no file of any tree can be opened here.
func (t Tree) Check() error {
	f, err := t.open("/", unix.O_PATH)
	if err != nil {
		return err
	}
	return f.Close()
}

// unavailable says what is needed where the system call itself is refused: ENOSYS by a kernel
// before 5.6, ENOSYS or EPERM by seccomp. A file's permissions give EACCES.
func unavailable(err error) error {
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return errors.New("openat2 is refused: it takes Linux 5.6 or later, and in a container a seccomp profile that allows it (or run on the host itself)")
	}
	return nil
}

// missing maps "a directory on the way is a file" to "it does not exist".
func missing(err error) error {
	if errors.Is(err, unix.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// plain takes the path out of an error: it is that within the tree.
func plain(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func (t Tree) show(name string) string {
	if t.Root == "/" {
		return name
	}
	return filepath.Join(t.Root, name)
}
