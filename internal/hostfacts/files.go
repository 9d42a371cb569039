// Package hostfacts reads facts of a host: files with their owners and modes, processes
// and their rights, sockets. It only reads, returns plain values, does not judge them,
// and never returns the content of a secret.
package hostfacts

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Path is a file or directory.
type Path struct {
	Exists bool
	Err    string // why it could not be inspected
	Mode   fs.FileMode
	UID    int
	GID    int
	Owner  string // the user's name; "uid N" for a user without one here
}

// Stat inspects a file, or the target of a symbolic link.
func Stat(path string) Path { return newPath(os.Stat(path)) }

// Lstat inspects a file, or a symbolic link itself.
func Lstat(path string) Path { return newPath(os.Lstat(path)) }

func newPath(info fs.FileInfo, err error) Path {
	if errors.Is(err, fs.ErrNotExist) {
		return Path{}
	}
	if err != nil {
		return Path{Err: err.Error()}
	}
	p := Path{Exists: true, Mode: info.Mode(), UID: -1, GID: -1}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.UID, p.GID = int(st.Uid), int(st.Gid)
		p.Owner = "uid " + strconv.Itoa(p.UID)
		if u, err := user.LookupId(strconv.Itoa(p.UID)); err == nil {
			p.Owner = u.Username
		}
	}
	return p
}

// Kind names the type of a file in words.
func (p Path) Kind() string {
	switch p.Mode.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeNamedPipe:
		return "named pipe"
	default:
		return "file of another type"
	}
}

// Way inspects every directory from the root to a file, links resolved. It is empty if
// the file does not exist.
func Way(name string) (way []Path) {
	file, err := filepath.EvalSymlinks(name)
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		way = append(way, Stat(dir))
		if dir == filepath.Dir(dir) {
			slices.Reverse(way)
			return way
		}
	}
}

// longestFile limits how much of a file is searched for certificates, in bytes.
const longestFile = 1 << 20

// Content describes the content of a regular file.
type Content struct {
	// OpenErr is why this process cannot read it.
	OpenErr string
	Empty   bool
	// Certificates are those in a PEM file.
	Certificates []*x509.Certificate
}

// Read inspects the content of a file, of which it reads 1 MiB at most. It only tests
// whether a secret can be read.
func Read(name string, secret bool) (c Content) {
	file, err := os.Open(name) //nolint:gosec // the operator's own choice
	if err != nil {
		return Content{OpenErr: err.Error()}
	}
	defer func() { _ = file.Close() }()
	if secret {
		n, err := file.Read(make([]byte, 1))
		return Content{Empty: n == 0 && errors.Is(err, io.EOF)}
	}
	text, err := io.ReadAll(io.LimitReader(file, longestFile))
	if err != nil {
		c.OpenErr = err.Error()
	}
	c.Empty = len(text) == 0
	c.Certificates = Certificates(text)
	return c
}

// Certificates returns the certificates in PEM text. It skips those that do not parse:
// TLS does not use them either.
func Certificates(text []byte) (certificates []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			certificates = append(certificates, c)
		}
	}
	return certificates
}

// Group returns the name of a group, and the members that a file in the format of
// /etc/group lists. Users with that primary group are not listed there.
func Group(file string, gid int) (name string, members []string) {
	name = strconv.Itoa(gid)
	f, err := os.Open(file) //nolint:gosec // /etc/group, another in tests
	if err != nil {
		return name, nil
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":") // name:password:gid:member,member
		if len(fields) == 4 && fields[2] == strconv.Itoa(gid) {
			name = fields[0]
			members = strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' })
		}
	}
	return name, members
}

// Seen is what a process with another root directory, such as in a container, finds at a
// path.
type Seen struct {
	Err    string // why that is unknown
	Exists bool
	// Same is whether it is the same file as at that path here.
	Same bool
}

// SeenFrom inspects a path as seen by a process whose root directory is root.
func SeenFrom(root, path string) Seen {
	theirs, err := statIn(root, path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return Seen{}
	case err != nil:
		return Seen{Err: err.Error()}
	}
	var ours unix.Stat_t
	if err := unix.Stat(path, &ours); err != nil {
		return Seen{Err: fmt.Sprintf("inspect %s: %v", path, err)}
	}
	return Seen{Exists: true, Same: theirs.Dev == ours.Dev && theirs.Ino == ours.Ino}
}

// statIn inspects a path below a root. Links such as /var/run are resolved as for a
// process with that root.
func statIn(root, path string) (st unix.Stat_t, err error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		// Not wrapped: a missing root does not mean that the path below it is missing.
		return st, fmt.Errorf("open %s: %v", root, err) //nolint:errorlint // see above
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return st, fmt.Errorf("inspect %s below %s: %w", path, root, err)
	}
	defer func() { _ = unix.Close(fd) }()
	err = unix.Fstat(fd, &st)
	return st, err
}
