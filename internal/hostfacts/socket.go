package hostfacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket is a Unix socket, and the process that listens on it.
type Socket struct {
	Path string
	// Dir is its directory, File the file at the path.
	Dir, File Path
	// Listens is whether a process listens. ConnectErr is why no connection was made.
	// Stale is set for a socket file on which no process listens.
	Listens    bool
	Stale      bool
	ConnectErr string
	// Group is the name of the socket's group, and Members those that /etc/group
	// lists.
	Group   string
	Members []string
	// ListenerPID is the process that called listen: 1 if systemd holds the socket, 0 if
	// the process is in another PID namespace.
	ListenerPID int
}

// ReadSocket inspects a socket, and connects to it once. ctx bounds the connect: a
// socket whose queue is full can block it.
func ReadSocket(ctx context.Context, path string) Socket {
	s := Socket{Path: path, Dir: Stat(filepath.Dir(path)), File: Lstat(path)}
	if s.File.Exists {
		s.Group, s.Members = Group("/etc/group", s.File.GID)
	}
	if s.File.Mode.Type() != fs.ModeSocket {
		return s
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		s.ConnectErr, s.Stale = err.Error(), errors.Is(err, syscall.ECONNREFUSED)
		s.Listens = errors.Is(err, syscall.EAGAIN) // connect(2): its queue is full
		return s
	}
	defer func() { _ = conn.Close() }()
	s.Listens = true
	if peer, err := PeerOf(conn.(*net.UnixConn)); err == nil { //nolint:errcheck // a dial to "unix" makes no other kind
		s.ListenerPID = int(peer.Pid)
	}
	return s
}

// PeerOf returns the process, user and group at the other end of a connection, as
// they were when it was made (SO_PEERCRED, unix(7)).
func PeerOf(c *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var optErr error
	err = raw.Control(func(fd uintptr) {
		peer, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, optErr); err != nil {
		return nil, fmt.Errorf("read the credentials of a peer: %w", err)
	}
	return peer, nil
}
