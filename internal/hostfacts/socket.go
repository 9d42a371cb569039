package hostfacts

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket is a Unix socket, and the process that listens on it.
type Socket struct {
	Path string
	// Dir is the directory that holds it, File what lies at the path.
	Dir, File Path
	// Listens is whether a process listens; ConnectErr says why no connection was
	// made, and Stale that a socket lies there on which no process listens.
	Listens    bool
	Stale      bool
	ConnectErr string
	// Group is the name of the socket's group, and Members those that /etc/group
	// lists.
	Group   string
	Members []string
	// ListenerPID is the process that called listen: 1, systemd, where that holds
	// the socket. It is 0 where the kernel does not say, as in another PID namespace.
	ListenerPID int
}

// ReadSocket looks at a socket, and connects to it once.
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
	s.Listens, s.ListenerPID = true, listenerOf(conn)
	return s
}

func listenerOf(conn net.Conn) (pid int) {
	raw, err := conn.(*net.UnixConn).SyscallConn() //nolint:errcheck // a dial to "unix" makes no other kind
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // it fails on a closed connection only
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(peer.Pid)
		}
	})
	return pid
}
