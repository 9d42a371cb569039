package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Listener is a listening socket that keeps its path, and removes it when it is
// closed, if the path is still its own. One goroutine may call Accept.
type Listener struct {
	config    Config
	inherited bool   // from a service manager, which owns the path
	peers     *peers // nil if the socket's permissions decide alone
	state     func(State)
	log       *slog.Logger

	bound atomic.Pointer[bound]
	// watching is held while the path is checked. It guards ended and seen.
	watching sync.Mutex
	ended    bool // the path is not watched any more
	seen     sighting

	draining atomic.Bool
	parked   chan struct{} // closed when Accept takes nothing any more
	closed   chan struct{}
	park     func()
	shut     func() error

	mu    sync.Mutex
	fresh map[*conn]struct{} // accepted, but the server has not begun with them
	none  chan struct{}      // closed whenever fresh is empty while draining
}

// bound is a socket and its file, which lies at the path unless another process has
// changed that.
type bound struct {
	*net.UnixListener
	file id
}

func newListener(c Config, h Host, b *bound, p *peers) *Listener {
	// Go removes the path on close even when a successor has bound it since.
	b.SetUnlinkOnClose(false)
	n := &Listener{
		config: c, inherited: h.Inherited != nil, peers: p, state: h.State, log: h.Log,
		parked: make(chan struct{}), closed: make(chan struct{}),
		fresh: map[*conn]struct{}{}, none: make(chan struct{}, 1),
	}

	n.bound.Store(b)
	n.park = sync.OnceFunc(func() { close(n.parked) })
	n.shut = sync.OnceValue(n.closeOnce)
	n.note(sighting{state: Own})
	return n
}

// Addr returns the path where callers find the socket. It was bound under another
// name.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: l.config.Path} }

// Accept returns the next connection of an authorized user.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if l.draining.Load() {
			return l.wait()
		}
		b := l.bound.Load()
		c, err := b.AcceptUnix()
		switch {
		case err != nil && l.draining.Load():
			return l.wait()
		case err != nil && l.bound.Load() != b:
			continue // bound again: the old one was closed
		case err != nil:
			return nil, err
		case !l.peers.authorize(c):
			_ = c.Close() // before a byte is read
			continue
		}
		return l.track(c), nil
	}
}

// wait blocks until Close, so that the server sees no error while it drains.
func (l *Listener) wait() (net.Conn, error) {
	l.park()
	<-l.closed
	return nil, net.ErrClosed
}

// conn is a connection that notes when its server has begun with it. A gRPC server
// that is stopped closes the connections that it has accepted but not begun with.
// Otherwise it first sets a deadline (google.golang.org/grpc/server.go,
// handleRawConn).
type conn struct {
	*net.UnixConn
	taken func()
}

func (l *Listener) track(u *net.UnixConn) net.Conn {
	c := &conn{UnixConn: u}
	c.taken = sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.fresh, c)
		if len(l.fresh) == 0 {
			select {
			case l.none <- struct{}{}:
			default:
			}
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh[c] = struct{}{}
	return c
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.taken()
	return c.UnixConn.SetDeadline(t)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.taken()
	return c.UnixConn.Close()
}

const (
	// drainLook is how often the queue of a socket without a path is checked, and
	// drainQuiet how long it has to be empty: a caller may have found the socket just
	// before its path was removed.
	drainLook  = time.Millisecond
	drainQuiet = 10 * time.Millisecond
)

// Drain stops taking connections, so that the server can be stopped without
// disconnecting a caller. New callers reach the successor. Callers that have
// connected before are still accepted, and Drain returns when the server has begun
// with each of them. In an inherited socket, callers queue until the next process
// accepts them. Accept must be running; it returns once Close is called.
func (l *Listener) Drain(ctx context.Context) error {
	l.stopWatching()
	b := l.bound.Load()
	if !l.inherited {
		if err := errors.Join(l.unlink(ctx), b.empty(ctx)); err != nil {
			return fmt.Errorf("drain socket %s: %w", l.config.Path, err)
		}
	}
	l.draining.Store(true)
	if err := b.SetDeadline(time.Unix(0, 1)); err != nil { // wakes Accept
		return fmt.Errorf("drain socket %s: %w", l.config.Path, err)
	}
	select {
	case <-l.parked:
	case <-ctx.Done():
		return fmt.Errorf("drain socket %s: Accept is not running: %w", l.config.Path, ctx.Err())
	}
	for l.waiting() > 0 {
		select {
		case <-l.none:
		case <-ctx.Done():
			return fmt.Errorf("drain socket %s: the server has not begun with %d connections: %w", l.config.Path, l.waiting(), ctx.Err())
		}
	}
	return nil
}

func (l *Listener) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fresh)
}

// empty waits until the queue has been empty for drainQuiet.
func (b *bound) empty(ctx context.Context) error {
	raw, err := b.SyscallConn()
	if err != nil {
		return err
	}
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for quiet := time.Duration(0); quiet < drainQuiet; quiet += drainLook {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("callers still queue: %w", ctx.Err())
		}
		queued := false
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor
			n, err := unix.Poll(fds, 0)
			queued = n > 0 || err != nil // a signal: look again
		})
		if err != nil {
			return err
		}
		if queued {
			quiet = 0
		}
	}
	return nil
}

// Close stops listening and removes the path, unless a successor's socket lies
// there by now, or it belongs to the service manager.
func (l *Listener) Close() error { return l.shut() }

func (l *Listener) closeOnce() error { // gRPC and the owner both close it
	l.stopWatching()
	var err error
	if !l.inherited {
		// Before the socket is closed: until then no other file can have its inode
		// number, by which unlink recognises it.
		ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
		defer cancel()
		err = l.unlink(ctx)
	}
	err = errors.Join(err, l.bound.Load().Close())
	close(l.closed)
	return err
}

// unlink removes the path if our socket lies there.
func (l *Listener) unlink(ctx context.Context) error {
	unlock, err := lock(ctx, l.config.Path+lockSuffix)
	if err != nil {
		return err
	}
	defer unlock()
	if file, err := identify(l.config.Path); err == nil && file == l.bound.Load().file {
		return os.Remove(l.config.Path)
	}
	return nil
}
