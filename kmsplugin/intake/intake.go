package intake

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// requestCost is charged for each request in addition to its bytes: for the
	// server's stream and headers, and the goroutine that serves it.
	requestCost = 16 << 10
	// frameCost is charged for each frame of a request in addition to its bytes.
	// Without it a message sent byte by byte takes fifty times its size in memory.
	frameCost = 128
	// stuck is how long a caller may leave what is written to it unread.
	stuck = 10 * time.Second
	// stalled is how long a caller may wait for room while none of its requests is
	// answered. It is longer than any request may take.
	stalled = 90 * time.Second
)

// errStalled ends a connection that could wait for ever: its answers may need a window
// update of the caller, which HTTP/2 sends in order with everything that is not read.
var errStalled = fmt.Errorf("the memory limit for requests is reached, and no request of this connection was answered within %v: the connection is closed", stalled)

// Limits apply to all callers together.
type Limits struct {
	Connections int
	// Bytes limits what is charged for unanswered requests. A connection that is
	// charged less than Share is read from even beyond that, so that other callers
	// cannot block it.
	Bytes, Share int
}

// Listener is a listener that enforces the limits on its connections.
type Listener struct {
	net.Listener
	limits  Limits
	refused func()

	mu      sync.Mutex
	changed sync.Cond // there may be more room, or a write has ended
	waiting int       // goroutines that wait for changed
	open    int       // connections
	charged int
}

// Limit returns a listener that closes connections beyond the limit before a byte
// is read, and then calls refused.
func Limit(l net.Listener, limits Limits, refused func()) *Listener {
	n := &Listener{Listener: l, limits: limits, refused: refused}
	n.changed.L = &n.mu
	return n
}

// Accept returns the next connection for which there is room.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.enter() {
			_ = c.Close()
			l.refused()
			continue
		}
		return &conn{Conn: c, l: l, remote: &remote{c.RemoteAddr()}, in: frames{skip: prefaceSize}, requests: map[uint32]int{}}, nil
	}
}

func (l *Listener) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.limits.Connections {
		return false
	}
	l.open++
	return true
}

// wait waits for wake; l.mu is held.
func (l *Listener) wait() {
	l.waiting++
	l.changed.Wait()
	l.waiting--
}

// alarm wakes waiting goroutines because a deadline has passed.
func (l *Listener) alarm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake()
}

// wake wakes waiting goroutines; l.mu is held.
func (l *Listener) wake() {
	if l.waiting > 0 {
		l.changed.Broadcast()
	}
}

// conn is a connection whose requests are charged.
type conn struct {
	net.Conn
	l      *Listener
	remote *remote
	// unread are bytes that were received but not delivered for lack of room. Only
	// Read uses them.
	unread []byte

	// The rest is guarded by l.mu.
	in, out  frames
	requests map[uint32]int // the charge of each unanswered request, by stream
	charged  int
	settled  time.Time // of the last answer
	writing  bool
	closed   bool
}

// remote is the address of one caller. It is a pointer so that no two are equal: the
// callers of a unix socket have no names.
type remote struct{ net.Addr }

// RemoteAddr implements net.Conn. It is unique for each connection, so a server can
// tell which requests came over the same one.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Read implements net.Conn. It blocks while there is no room for more requests, and
// while the caller does not read what is written to it: the server would only queue
// more answers.
func (c *conn) Read(p []byte) (int, error) {
	for {
		if err := c.await(); err != nil {
			return 0, err
		}
		if len(c.unread) > 0 {
			k := c.account(p[:copy(p, c.unread)])
			c.unread = c.unread[k:]
			if k > 0 || len(p) == 0 {
				return k, nil
			}
			continue // other connections have used the room
		}
		n, err := c.Conn.Read(p)
		k := c.account(p[:n])
		if k == n {
			return n, err
		}
		c.unread = bytes.Clone(p[k:n])
		if k > 0 {
			return k, nil // the next read returns the error again
		}
	}
}

// await returns once there is room or the connection is closed.
func (c *conn) await() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	began := time.Now()
	for !c.closed && (c.writing || !c.room()) {
		if c.room() || c.charged == 0 {
			c.l.wait() // for a write, which has its own deadline, or other connections
			continue
		}
		left := stalled - min(time.Since(began), time.Since(c.settled))
		if left <= 0 {
			return errStalled
		}
		alarm := time.AfterFunc(left, c.l.alarm)
		c.l.wait()
		alarm.Stop()
	}
	return nil
}

// room reports whether another frame of this caller may be read; l.mu is held.
func (c *conn) room() bool {
	return c.l.charged < c.l.limits.Bytes || c.charged < c.l.limits.Share
}

// account charges for the frames in p, up to one for which there is no room. It
// returns how many bytes may be delivered.
func (c *conn) account(p []byte) (n int) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for n < len(p) {
		if c.in.between() && !c.closed && !c.room() {
			return n
		}
		k, f, ok := c.in.next(p[n:])
		n += k
		if ok {
			c.received(f)
		}
	}
	return n
}

// received charges for a frame of the caller; l.mu is held.
func (c *conn) received(f frame) {
	switch {
	case f.kind == typeHeaders:
		c.charge(f.stream, requestCost)
	case f.kind == typeData:
		if _, ok := c.requests[f.stream]; ok {
			c.charge(f.stream, f.length+frameCost)
		}
	case f.kind == typeRSTStream:
		c.settle(f.stream)
	}
}

func (c *conn) charge(stream uint32, cost int) {
	if c.closed {
		return
	}
	c.requests[stream] += cost
	c.charged += cost
	c.l.charged += cost
}

// settle removes the charge of a request; l.mu is held.
func (c *conn) settle(stream uint32) {
	cost := c.requests[stream]
	c.settled = time.Now()
	delete(c.requests, stream)
	c.charged -= cost
	c.l.charged -= cost
	c.l.wake()
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.setWriting(true)
	n, err := 0, c.SetWriteDeadline(time.Now().Add(stuck))
	if err == nil {
		n, err = c.Conn.Write(p)
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for sent := p[:n]; len(sent) > 0; {
		k, f, ok := c.out.next(sent)
		sent = sent[k:]
		if ok && f.ends() {
			c.settle(f.stream)
		}
	}
	c.writing = false
	c.l.wake()
	return n, err
}

func (c *conn) setWriting(writing bool) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.writing = writing
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

func (c *conn) leave() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.l.open--
	c.l.charged -= c.charged
	c.requests, c.charged = nil, 0
	c.l.wake()
}
