package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// inherit checks that the service manager has bound the socket that this
// configuration names, with safe permissions.
func (c Config) inherit(l net.Listener) (*bound, error) {
	address := l.Addr()
	ul, ok := l.(*net.UnixListener)
	if !ok || address.Network() != "unix" {
		return nil, fmt.Errorf("the socket is of type %s at %s: want a unix stream socket (ListenStream= with a path)", address.Network(), address)
	}
	path := address.String()
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the address is %q: want the absolute path of a socket, because only a path has permissions", path)
	}
	if err := checkListening(ul); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("inspect the socket: %w", err)
	}
	same, err := samePath(path, c.Path)
	switch {
	case err != nil:
		return nil, err
	case !same:
		return nil, fmt.Errorf("it listens on %s, but socket.path is %s: set ListenStream= to the path that the API server uses", path, c.Path)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("a %s has taken the place of %s since it was bound: restart the socket unit", hostfacts.Path{Mode: info.Mode()}.Kind(), path)
	case info.Mode().Perm()&others != 0:
		// systemd's default is 0666.
		return nil, fmt.Errorf("%s has mode %04o, which lets every user of this machine have seeds decrypted: set SocketMode=0660 or less, and SocketGroup=, in the socket unit",
			path, info.Mode().Perm())
	}
	file, err := identify(path)
	if err != nil {
		return nil, err
	}
	return &bound{ul, file}, nil
}

func checkListening(l *net.UnixListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	listening := 0
	var optErr error
	err = raw.Control(func(fd uintptr) {
		listening, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	})
	if err := errors.Join(err, optErr); err != nil {
		return fmt.Errorf("inspect the socket: %w", err)
	}
	if listening != 1 {
		return errors.New("the socket does not listen: set Accept=no in the socket unit")
	}
	return nil
}

// samePath reports whether two paths lead to the same file, also through a linked
// directory such as /var/run.
func samePath(a, b string) (bool, error) {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true, nil
	}
	one, err := os.Lstat(a)
	if err != nil {
		return false, fmt.Errorf("inspect %s: %w", a, err)
	}
	two, err := os.Lstat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("inspect %s: %w", b, err)
	}
	return os.SameFile(one, two), nil
}
