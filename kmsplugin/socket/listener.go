package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Listener is a listening socket that removes its path when it is closed, if the
// path is still its own. One goroutine may call Accept.
type Listener struct {
	*net.UnixListener
	path  string
	file  id     // of the socket that was bound; zero if it is inherited
	peers *peers // nil if whoever may connect may talk

	draining atomic.Bool
	parked   chan struct{} // closed when Accept takes nothing any more
	closed   chan struct{}
	park     func()
	shut     func() error

	mu    sync.Mutex
	fresh map[*conn]struct{} // accepted, but not yet taken up by the server
	none  chan struct{}      // closed whenever fresh is empty while draining
}

func newListener(l *net.UnixListener, path string, file id, p *peers) *Listener {
	// Go removes the path on close even when a successor has bound it since.
	l.SetUnlinkOnClose(false)
	n := &Listener{
		UnixListener: l, path: path, file: file, peers: p,
		parked: make(chan struct{}), closed: make(chan struct{}),
		fresh: map[*conn]struct{}{}, none: make(chan struct{}, 1),
	}
	n.park = sync.OnceFunc(func() { close(n.parked) })
	n.shut = sync.OnceValue(n.closeOnce)
	return n
}

// Accept returns the next connection of somebody who may connect.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if l.draining.Load() {
			return l.wait()
		}
		c, err := l.AcceptUnix()
		switch {
		case err != nil && l.draining.Load():
			return l.wait()
		case err != nil:
			return nil, err
		case !l.peers.admit(c):
			_ = c.Close() // before a byte is read
			continue
		}
		return l.track(c), nil
	}
}

// wait keeps the server from seeing an error before it is stopped in earnest.
func (l *Listener) wait() (net.Conn, error) {
	l.park()
	<-l.closed
	return nil, net.ErrClosed
}

// conn is a connection that says when its server has begun with it. gRPC's
// server closes at once what it has accepted but not begun with when it is
// stopped; the first thing that it does otherwise is to set a deadline
// (google.golang.org/grpc/server.go, handleRawConn).
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
	// drainLook is how often the queue of a socket that nobody finds any more is
	// looked at, and drainQuiet how long it has to be empty: a caller may have
	// found the socket just before its path went.
	drainLook  = time.Millisecond
	drainQuiet = 10 * time.Millisecond
)

// Drain stops taking connections, so that the server can be stopped without
// cutting off anybody: who connects from now on reaches the successor, who has
// connected before is still accepted, and Drain returns when the server has
// begun with each of them. Callers queue in an inherited socket until the next
// process takes them. Accept must be running; it returns once Close is called.
func (l *Listener) Drain(ctx context.Context) error {
	if l.file != (id{}) {
		if err := errors.Join(l.unlink(ctx), l.empty(ctx)); err != nil {
			return fmt.Errorf("drain socket %s: %w", l.path, err)
		}
	}
	l.draining.Store(true)
	if err := l.SetDeadline(time.Unix(0, 1)); err != nil { // wakes Accept
		return fmt.Errorf("drain socket %s: %w", l.path, err)
	}
	select {
	case <-l.parked:
	case <-ctx.Done():
		return fmt.Errorf("drain socket %s: nobody accepts: %w", l.path, ctx.Err())
	}
	for l.waiting() > 0 {
		select {
		case <-l.none:
		case <-ctx.Done():
			return fmt.Errorf("drain socket %s: %d connections were not taken up: %w", l.path, l.waiting(), ctx.Err())
		}
	}
	return nil
}

func (l *Listener) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fresh)
}

// empty waits until nobody has been in the queue for a while.
func (l *Listener) empty(ctx context.Context) error {
	raw, err := l.SyscallConn()
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
	err := l.UnixListener.Close()
	close(l.closed)
	if l.file == (id{}) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	return errors.Join(err, l.unlink(ctx))
}

// unlink removes the path if our socket lies there.
func (l *Listener) unlink(ctx context.Context) error {
	unlock, err := lock(ctx, l.path+lockSuffix)
	if err != nil {
		return err
	}
	defer unlock()
	if file, err := identify(l.path); err == nil && file == l.file {
		return os.Remove(l.path)
	}
	return nil
}
