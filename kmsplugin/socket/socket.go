// Package socket listens on a unix socket so that a restart, a crash or a second
// plugin never loses a request or removes another process's file. It never reads
// what is sent over the socket.
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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/internal/filelock"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Config describes a socket. The tags are the keys under which operators write it.
type Config struct {
	Path     string `mapstructure:"path" help:"path of the unix socket"`
	Mode     string `mapstructure:"mode" help:"permissions of the socket, octal"`
	Group    string `mapstructure:"group" help:"group of the socket, name or number; empty means the process's own"`
	Takeover bool   `mapstructure:"takeover" help:"replace a plugin that serves the socket instead of refusing to start"`
	// AllowUIDs are numbers or names.
	AllowUIDs []string `mapstructure:"allow-uids" help:"users, by number or name, whose processes may connect, in addition to the socket's permissions; empty means that the permissions decide alone. List root as well, or kmsplugin status cannot connect"`
}

// maxPath is the limit of sockaddr_un, less the suffix of the temporary name.
const maxPath = 107 - len(newSuffix)

const (
	newSuffix  = ".new"
	lockSuffix = ".lock"
	// dialTimeout limits the check whether a process listens.
	dialTimeout = time.Second
	lockTimeout = 10 * time.Second
	others      = 0o007 // permissions of all other users
)

// Validate returns the first invalid value, with its key below socket.
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
	if mode&others != 0 {
		return 0, fmt.Errorf("mode: %q lets every user of this machine have seeds decrypted: want 0660 or less", c.Mode)
	}
	return fs.FileMode(mode), nil
}

// Host is what the process provides. Every field may be nil.
type Host struct {
	// Inherited is the socket of a service manager. It is used as it is. It stays
	// when this process ends, and requests queue in it until the next one starts.
	Inherited net.Listener
	// Refused is called for each connection that Config.AllowUIDs refuses.
	Refused func()
	// State is called at the start and at each change of who answers at the path.
	State func(State)
	// Log gets all of that; refused connections at most once a minute.
	Log *slog.Logger
}

// Listen binds the socket, or uses the inherited one. A stale socket is replaced.
// Any other file at the path is an error, and stays.
func Listen(ctx context.Context, c Config, h Host) (*Listener, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("socket.%w", err)
	}
	if h.Refused == nil {
		h.Refused = func() {}
	}
	if h.State == nil {
		h.State = func(State) {}
	}
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
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

// bind makes a new socket and puts it at the path.
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
	// Renaming replaces the old socket in one step, with the permissions of the new
	// one: no caller ever finds none.
	if err := os.Rename(c.Path+newSuffix, c.Path); err != nil {
		return nil, errors.Join(fmt.Errorf("rename the new socket to %s: %w", c.Path, err), b.Close(), os.Remove(c.Path+newSuffix))
	}
	return b, nil
}

var errServed = errors.New("is served by a process that runs")

// checkPath returns an error if the file at the path must not be replaced.
func (c Config) checkPath(ctx context.Context) error {
	info, err := os.Lstat(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspect socket path: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket path %s is taken by a %s: remove it or choose another path", c.Path, hostfacts.Path{Mode: info.Mode()}.Kind())
	}
	served, err := served(ctx, c.Path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot tell whether socket %s is in use, so it is not replaced: %w", c.Path, err)
	case served && !c.Takeover:
		return fmt.Errorf("socket %s %w: stop it first, or start with --socket-takeover to replace it", c.Path, errServed)
	}
	return nil // stale, or to be taken over
}

// InUse reports whether a process serves the socket now. It returns false if that
// is unknown; Listen then returns the reason.
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
			return false, fmt.Errorf("close test connection to %s: %w", path, err)
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

// bindBeside binds under a temporary name in the same directory.
func (c Config) bindBeside(ctx context.Context) (_ *bound, err error) {
	path := c.Path + newSuffix
	// Only a killed start leaves one, and this process has the lock.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove %s, which an interrupted start has left: %w", path, err)
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
		return nil, fmt.Errorf("set permissions of the socket: %w", err)
	}
	if c.Group != "" {
		gid, err := lookupGroup(c.Group)
		if err != nil {
			return nil, err
		}
		if err := os.Chown(path, -1, gid); err != nil {
			return nil, fmt.Errorf("set the group of the socket to %s (the plugin's user must be a member): %w", c.Group, err)
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

// id identifies the socket file at a path. No file has the zero id.
type id struct{ dev, ino uint64 }

func identify(path string) (id, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return id{}, fmt.Errorf("identify socket %s: %w", path, err)
	}
	return id{dev: st.Dev, ino: st.Ino}, nil
}

// lock locks a file until unlock is called. The file stays: if it were removed, two
// processes could lock two files of the same name.
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
			return nil, fmt.Errorf("another plugin is starting or stopping on this socket and has locked %s: try again when it is done: %w", path, ctx.Err())
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
