package intake

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/sealproof/sealproof/test/testkit"
)

// pipes is a listener whose connections are ends of pipes, which work in
// synctest's bubble. As a socket with no buffer, a pipe's write ends when the
// other end has read.
type pipes struct {
	net.Listener
	queue chan net.Conn
}

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.queue
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// caller is both ends of one connection: what the caller writes, and what the
// server has been given.
type caller struct {
	*http2.Framer
	conn   net.Conn // the caller's end
	server net.Conn
	got    bytes.Buffer // by the server
	ended  chan error   // what the server's reading ended with
	t      *testing.T
}

func limited(limits Limits) (l *Listener, connect func(*testing.T) *caller, refused *int) {
	p := pipes{queue: make(chan net.Conn, 1)}
	refused = new(int)
	l = Limit(p, limits, func() { *refused++ })
	return l, func(t *testing.T) *caller {
		t.Helper()
		mine, theirs := net.Pipe()
		p.queue <- theirs
		server := testkit.Must(l.Accept())(t)
		c := &caller{Framer: http2.NewFramer(mine, mine), conn: mine, server: server, ended: make(chan error, 1), t: t}
		t.Cleanup(func() { _ = mine.Close(); _ = server.Close() })
		go func() { _, err := io.Copy(&c.got, server); c.ended <- err }()
		c.send(func() error { _, err := mine.Write([]byte(http2.ClientPreface)); return err })
		return c
	}, refused
}

// send writes, and reports whether the server was given all of it.
func (c *caller) send(write func() error) bool {
	c.t.Helper()
	synctest.Wait()
	before := c.got.Len()
	done := make(chan error, 1)
	go func() { done <- write() }()
	synctest.Wait()
	select {
	case err := <-done:
		return err == nil && c.got.Len() > before
	default:
		return false
	}
}

func (c *caller) begin(stream uint32) bool {
	return c.send(func() error {
		return c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte("h"), EndHeaders: true})
	})
}

// answer is what the server writes at the end of a request.
func (c *caller) answer(t *testing.T, stream uint32) {
	t.Helper()
	go func() { _, _ = http2.NewFramer(nil, c.conn).ReadFrame() }()
	err := http2.NewFramer(c.server, nil).WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte("h"), EndHeaders: true, EndStream: true})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestRequestsBeyondTheLimitAreNotReadUntilOthersAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, connect, _ := limited(Limits{Connections: 9, Bytes: 3 * requestCost, Share: requestCost})
		c := connect(t)
		for stream := range uint32(3) {
			if !c.begin(2*stream + 1) {
				t.Fatalf("request %d is not read", stream)
			}
		}
		if c.begin(7) {
			t.Fatal("a fourth request is read")
		}
		// Another caller keeps its share.
		other := connect(t)
		if !other.begin(1) {
			t.Error("a caller that has nothing under way is not read from")
		}
		before := c.got.Len()
		c.answer(t, 1)
		if c.got.Len() != before {
			t.Error("read before there is room: the other caller has the answered one's place")
		}
		c.answer(t, 3)
		if c.got.Len() == before {
			t.Error("not read although there is room")
		}
		if other.begin(3) {
			t.Error("the other caller has more than its share")
		}
		if l.charged != 3*requestCost {
			t.Errorf("%d bytes are charged", l.charged)
		}
	})
}

func TestWhatEndsARequestMakesRoom(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *caller){
		"an answer": func(t *testing.T, c *caller) { c.answer(t, 1) },
		"a takeback": func(_ *testing.T, c *caller) {
			c.send(func() error { return c.WriteRSTStream(1, http2.ErrCodeCancel) })
		},
		"a reset":    func(t *testing.T, c *caller) { reset(t, c, 1) },
		"its caller": func(_ *testing.T, c *caller) { _ = c.server.Close(); _ = c.server.Close() },
		"data, later": func(t *testing.T, c *caller) {
			c.answer(t, 1)
			c.send(func() error { return c.WriteData(1, true, make([]byte, 100)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, connect, _ := limited(Limits{Connections: 2, Bytes: 1 << 20, Share: 1})
				c := connect(t)
				c.begin(1)
				c.send(func() error { return c.WriteData(1, false, make([]byte, 1000)) })
				if want := requestCost + 1000 + frameCost; l.charged != want {
					t.Fatalf("%d bytes are charged, want %d", l.charged, want)
				}
				end(t, c)
				if own := c.server.(*conn); l.charged != 0 || own.charged != 0 || len(own.requests) != 0 {
					t.Errorf("%d bytes are still charged, %d of them to this connection", l.charged, own.charged)
				}
			})
		})
	}
}

func reset(t *testing.T, c *caller, stream uint32) {
	t.Helper()
	go func() { _, _ = http2.NewFramer(nil, c.conn).ReadFrame() }()
	testkit.Check(t, http2.NewFramer(c.server, nil).WriteRSTStream(stream, http2.ErrCodeCancel))
	synctest.Wait()
}

func TestSmallFramesCostMoreThanTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, connect, _ := limited(Limits{Connections: 1, Bytes: requestCost + 10*frameCost, Share: 1})
		c := connect(t)
		c.begin(1)
		n := 0
		for c.send(func() error { return c.WriteData(1, false, []byte{0}) }) {
			n++
		}
		if n != 10 || l.charged > requestCost+11*frameCost {
			t.Errorf("%d frames of one byte were read, %d bytes are charged", n, l.charged)
		}
	})
}

func TestACallerThatDoesNotReadIsNotReadFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connect, _ := limited(Limits{Connections: 1, Bytes: 1 << 20, Share: 1 << 20})
		c := connect(t)
		failed := make(chan error, 1)
		start := time.Now()
		go func() { _, err := c.server.Write(make([]byte, 100)); failed <- err }()
		synctest.Wait()
		// A read that was waiting already takes what comes, and is the last.
		c.send(func() error { return c.WritePing(false, [8]byte{}) })
		if c.send(func() error { return c.WritePing(false, [8]byte{}) }) {
			t.Error("it is read from although it does not read")
		}
		if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != stuck {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// What it sends may be the window updates that its answers wait for.
func TestACallerThatWaitsForItselfIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connect, _ := limited(Limits{Connections: 3, Bytes: 3 * requestCost, Share: requestCost})
		holder, c := connect(t), connect(t)
		if !c.begin(1) || !c.begin(3) || !holder.begin(1) {
			t.Fatal("there is room, and it is not read from")
		}
		time.Sleep(stalled - time.Second)
		c.answer(t, 1)
		if !holder.begin(3) || c.begin(5) {
			t.Fatal("the room goes to another caller than in this test")
		}
		waiter := connect(t) // without a request there is nothing to give it up for
		time.Sleep(stalled - time.Second)
		synctest.Wait()
		if len(c.ended) != 0 {
			t.Errorf("given up although one of its requests was answered: %v", <-c.ended)
		}
		time.Sleep(time.Second)
		if err := <-c.ended; !errors.Is(err, errStalled) {
			t.Errorf("it ends with %v", err)
		}
		time.Sleep(10 * stalled)
		synctest.Wait()
		if len(waiter.ended) != 0 {
			t.Errorf("a caller without requests is given up: %v", <-waiter.ended)
		}
	})
}

func TestConnectionsBeyondTheLimitAreClosedUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, connect, refused := limited(Limits{Connections: 2, Bytes: 1, Share: 1})
		first := connect(t)
		connect(t)
		mine, theirs := net.Pipe()
		l.Listener.(pipes).queue <- theirs
		accepted := make(chan net.Conn, 1)
		go func() { c, _ := l.Accept(); accepted <- c }()
		synctest.Wait()
		if _, err := mine.Write([]byte("PRI")); !errors.Is(err, io.ErrClosedPipe) || *refused != 1 {
			t.Errorf("a third connection: %v, %d refused", err, *refused)
		}
		_ = first.server.Close()
		_, again := net.Pipe()
		l.Listener.(pipes).queue <- again
		synctest.Wait()
		if c := <-accepted; c == nil {
			t.Error("a closed connection does not make room for another")
		} else {
			_ = c.Close()
		}
	})
}

func TestEveryConnectionHasAnAddressOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connect, _ := limited(Limits{Connections: 2, Bytes: 1, Share: 1})
		a, b := connect(t), connect(t)
		if a.server.RemoteAddr() == b.server.RemoteAddr() || a.server.RemoteAddr() != a.server.RemoteAddr() {
			t.Error("two connections are one")
		}
	})
}

func TestFramesAreFoundHoweverTheyArrive(t *testing.T) {
	var wire bytes.Buffer
	f := http2.NewFramer(&wire, nil)
	for _, err := range []error{
		f.WriteSettings(), f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("abc"), EndHeaders: true}),
		f.WriteData(1, true, make([]byte, 300)), f.WriteData(3, false, nil), f.WriteRSTStream(1<<31-1, 0), f.WritePing(true, [8]byte{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := append(make([]byte, prefaceSize), wire.Bytes()...)
	want := []frame{{kind: 4}, {3, typeHeaders, 4, 1}, {300, typeData, flagEndStream, 1}, {0, typeData, 0, 3}, {4, typeRSTStream, 0, 1<<31 - 1}, {8, 6, 1, 0}}
	for size := 1; size <= len(all); size++ {
		s := frames{skip: prefaceSize}
		var got []frame
		for piece := range slices.Chunk(all, size) {
			for len(piece) > 0 {
				n, found, ok := s.next(piece)
				if n == 0 {
					t.Fatal("it takes nothing")
				}
				if piece = piece[n:]; ok {
					got = append(got, found)
				}
			}
		}
		if !slices.Equal(got, want) || !s.between() {
			t.Fatalf("in pieces of %d: %+v", size, got)
		}
	}
}

func TestWhatDidNotFitIsDeliveredLaterAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, connect, _ := limited(Limits{Connections: 1, Bytes: 2 * requestCost, Share: 1})
		c := connect(t)
		var wire bytes.Buffer
		f := http2.NewFramer(&wire, nil)
		for stream := uint32(1); stream < 12; stream += 2 {
			testkit.Check(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{byte(stream)}, EndHeaders: true}))
		}
		c.send(func() error { _, err := c.conn.Write(wire.Bytes()); return err })
		all := append([]byte(http2.ClientPreface), wire.Bytes()...)
		request := wire.Len() / 6
		for n := 2; n <= 6; n++ {
			if want := all[:prefaceSize+n*request]; !bytes.Equal(c.got.Bytes(), want) {
				t.Fatalf("%d requests: the server was given %q, want %q", n, c.got.Bytes(), want)
			}
			c.answer(t, uint32(2*n-3))
		}
	})
}

func TestWhoWaitsForRoomIsWoken(t *testing.T) {
	for name, wake := range map[string]func(t *testing.T, holder *caller){
		"by another's answer":   func(t *testing.T, holder *caller) { holder.answer(t, 1) },
		"by another's takeback": func(_ *testing.T, holder *caller) { holder.send(func() error { return holder.WriteRSTStream(1, 0) }) },
		"by another's end":      func(_ *testing.T, holder *caller) { _ = holder.server.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, connect, _ := limited(Limits{Connections: 2, Bytes: 3 * requestCost, Share: 2 * requestCost})
				holder, waiter := connect(t), connect(t)
				if !waiter.begin(1) || !waiter.begin(3) || !holder.begin(1) {
					t.Fatal("there is room, and it is not read from")
				}
				if waiter.begin(5) {
					t.Fatal("there is no room, and it is read from")
				}
				before := waiter.got.Len()
				wake(t, holder)
				synctest.Wait()
				if waiter.got.Len() == before {
					t.Error("it is not read from")
				}
			})
		})
	}
	t.Run("by its own end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, connect, _ := limited(Limits{Connections: 2, Bytes: requestCost, Share: 0})
			c := connect(t)
			c.begin(1)
			ended := make(chan error, 1)
			go func() { _, err := c.server.Read(make([]byte, 1)); ended <- err }()
			synctest.Wait()
			_ = c.server.Close()
			if err := <-ended; err == nil {
				t.Error("a closed connection is read from")
			}
		})
	})
	t.Run("by the end of its own write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, connect, _ := limited(Limits{Connections: 1, Bytes: 1 << 20, Share: 0})
			c := connect(t)
			go func() { _, _ = c.server.Write(make([]byte, 100)) }()
			synctest.Wait()
			c.send(func() error { return c.WritePing(false, [8]byte{}) })
			before := c.got.Len()
			go func() { _ = c.WritePing(false, [8]byte{}) }()
			synctest.Wait()
			if c.got.Len() != before {
				t.Fatal("it is read from meanwhile")
			}
			if _, err := io.ReadFull(c.conn, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if c.got.Len() == before {
				t.Error("it is not read from")
			}
		})
	})
}
