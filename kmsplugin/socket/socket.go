// Package socket listens on a unix socket so that a restart, a crash or a second
// plugin never costs a request or removes what is not its own. It must never
// know what is served on it, and reads no byte of it.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/internal/filelock"
)

// Config describes a socket. The tags are the keys under which operators write it.
type Config struct {
	Path     string `mapstructure:"path" help:"path of the unix socket"`
	Mode     string `mapstructure:"mode" help:"permissions of the socket, octal"`
	Group    string `mapstructure:"group" help:"group of the socket, name or number; empty keeps the process's own"`
	Takeover bool   `mapstructure:"takeover" help:"replace a plugin that still serves the socket instead of refusing to start"`
	// AllowUIDs are numbers or names.
	AllowUIDs []string `mapstructure:"allow-uids" help:"users, by number or name, whose processes may connect, beside what the socket's permissions demand; empty leaves it to those. List root too if kmsplugin status is to work"`
}

// maxPath is what sockaddr_un holds, less the suffix of the name that is bound
// before it is renamed.
const maxPath = 107 - len(newSuffix)

const (
	newSuffix  = ".new"
	lockSuffix = ".lock"
	// dialTimeout bounds the question whether a process listens.
	dialTimeout = time.Second
	lockTimeout = 10 * time.Second
	everybody   = 0o007
)

// Validate returns the first impossible value, with its key below socket.
func (c Config) Validate() error {
	switch {
	case !filepath.IsAbs(c.Path):
		// An abstract socket ("@name") has no permissions: every process in the
		// network namespace could have seeds decrypted.
		return fmt.Errorf("path: %q: want the absolute path of a socket", c.Path)
	case len(c.Path) > maxPath:
		return fmt.Errorf("path: %d bytes, the limit is %d", len(c.Path), maxPath)
	}
	if _, err := c.mode(); err != nil {
		return err
	}
	return c.validateUIDs()
}

func (c Config) mode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(c.Mode, 8, 32)
	if err != nil || mode&^0o777 != 0 {
		return 0, fmt.Errorf("mode: %q: want octal permissions such as 0660", c.Mode)
	}
	if mode&everybody != 0 {
		return 0, fmt.Errorf("mode: %q: everybody on this machine could have seeds decrypted; want 0660 or less", c.Mode)
	}
	return fs.FileMode(mode), nil
}

// Host is what the process brings along; all of it may be missing.
type Host struct {
	// Inherited is the socket that a service manager holds and has handed over.
	// It is used as it is: the manager has bound it, and it stays when this
	// process ends, so that requests queue in it until the next one begins.
	Inherited net.Listener
	// Refused is told of each connection that Config.AllowUIDs has turned away.
	Refused func()
	// State is told at first, and at each change, who answers at the path.
	State func(State)
	// Log is told of all that, but seldom of who was turned away.
	Log *slog.Logger
}

// Listen binds the socket, or takes the one that the host has inherited. A socket
// that no process listens on is replaced; anything else at the path is left alone
// and reported.
func Listen(ctx context.Context, c Config, h Host) (*Listener, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("socket.%w", err)
	}
	peers, err := newPeers(c.AllowUIDs, h)
	if err != nil {
		return nil, err
	}
	if h.Inherited != nil {
		l, err := c.inherit(h.Inherited)
		if err != nil {
			return nil, fmt.Errorf("socket from the service manager: %w", err)
		}
		return newListener(c, h, l, peers), nil
	}
	l, err := c.bind(ctx)
	if err != nil {
		return nil, err
	}
	return newListener(c, h, l, peers), nil
}

// bind puts a socket of our own at the path.
func (c Config) bind(ctx context.Context) (*bound, error) {
	// Two plugins that start together would both find the path free.
	unlock, err := lock(ctx, c.Path+lockSuffix)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := c.checkPath(ctx); err != nil {
		return nil, err
	}
	b, err := c.bindBeside(ctx)
	if err != nil {
		return nil, err
	}
	// Renaming puts the finished socket, permissions and all, in the place of
	// the old one at once: no caller ever finds none.
	if err := os.Rename(c.Path+newSuffix, c.Path); err != nil {
		return nil, errors.Join(fmt.Errorf("put socket in place: %w", err), b.Close(), os.Remove(c.Path+newSuffix))
	}
	return b, nil
}

var errServed = errors.New("is served by a process that runs")

// checkPath decides whether the file at the path may be replaced.
func (c Config) checkPath(ctx context.Context) error {
	info, err := os.Lstat(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at socket path: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket path %s is taken by a %s: it is left alone, remove it or choose another path", c.Path, describe(info.Mode()))
	}
	served, err := served(ctx, c.Path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot tell whether socket %s is in use, so it is left alone: %w", c.Path, err)
	case served && !c.Takeover:
		return fmt.Errorf("socket %s %w: stop it first, or start with --socket-takeover to replace it", c.Path, errServed)
	}
	return nil // left behind by a process that was killed, or to be taken over
}

// InUse reports whether a process serves the socket now. If that cannot be found out it
// returns false, and Listen says why.
func (c Config) InUse(ctx context.Context) bool {
	served, err := served(ctx, c.Path)
	return err == nil && served
}

func served(ctx context.Context, path string) (bool, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		if err := conn.Close(); err != nil {
			return false, fmt.Errorf("close trial connection to %s: %w", path, err)
		}
		return true, nil
	case errors.Is(err, syscall.EAGAIN):
		return true, nil // connect(2): its queue is full, so a process listens
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, err
	}
}

func describe(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	default:
		return "file of type " + strings.TrimLeft(mode.Type().String(), "-")
	}
}

// bindBeside binds under a temporary name in the same directory.
func (c Config) bindBeside(ctx context.Context) (_ *bound, err error) {
	path := c.Path + newSuffix
	// Only a start that was killed in the middle leaves one, and we hold the lock.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove unfinished socket: %w", err)
		}
	}
	mode, err := c.mode()
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("bind socket %s (does the directory exist, and may this user write there?): %w", c.Path, err)
	}
	ul, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("bind socket %s: it is a %T", c.Path, l), l.Close())
	}
	// Go removes the path on close even when a successor has bound it since.
	ul.SetUnlinkOnClose(false)
	defer func() {
		if err != nil {
			err = errors.Join(err, ul.Close(), os.Remove(path))
		}
	}()
	if err := os.Chmod(path, mode); err != nil {
		return nil, fmt.Errorf("set permissions of socket: %w", err)
	}
	if c.Group != "" {
		gid, err := lookupGroup(c.Group)
		if err != nil {
			return nil, err
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return nil, fmt.Errorf("give socket to group %s: %w", c.Group, err)
		}
	}
	file, err := identify(path)
	if err != nil {
		return nil, err
	}
	return &bound{ul, file}, nil
}

func lookupGroup(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("socket.group: %w", err)
	}
	return strconv.Atoi(group.Gid)
}

// id identifies the socket at a path. The zero id is that of none.
type id struct{ dev, ino uint64 }

func identify(path string) (id, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return id{}, fmt.Errorf("identify socket %s: %w", path, err)
	}
	return id{dev: st.Dev, ino: st.Ino}, nil
}

// lock holds an advisory lock on a file until unlock is called. The file stays:
// removing it would let two processes lock two files of one name.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600) //nolint:gosec // the operator's own choice
	if err != nil {
		return nil, fmt.Errorf("open lock file of the socket (does the directory exist, and may this user write there?): %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	if err := filelock.Lock(ctx, f); err != nil {
		_ = f.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("another plugin is starting or stopping on this socket, its lock %s is held: %w", path, ctx.Err())
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
