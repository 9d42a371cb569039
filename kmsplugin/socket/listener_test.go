package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/testkit"
)

// dial connects, and returns a function that waits for the greeting.
func dial(t *testing.T, path string) (greeting func() string) {
	t.Helper()
	conn := testkit.Must(net.Dial("unix", path))(t)
	t.Cleanup(func() { _ = conn.Close() })
	return func() string {
		text, err := io.ReadAll(conn)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
}

// serve accepts as gRPC does: each connection on a goroutine that first asks
// whether the server was stopped, then sets a deadline. begin, if not nil, holds
// it up before that question. stop is what gRPC's GracefulStop does.
func serve(t *testing.T, l *Listener, begin func()) (stop func()) {
	t.Helper()
	quit, accepted := make(chan struct{}), make(chan error, 1)
	var conns sync.WaitGroup
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				accepted <- err
				return
			}
			conns.Go(func() {
				defer c.Close()
				if begin != nil {
					begin()
				}
				select {
				case <-quit:
					return // as gRPC does: too late
				default:
				}
				_ = c.SetDeadline(time.Time{})
				fmt.Fprint(c, "hello")
			})
		}
	}()
	return sync.OnceFunc(func() {
		close(quit)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept ended with %v", err)
		}
		conns.Wait()
	})
}

func mustDrain(t *testing.T, l *Listener) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	testkit.Check(t, l.Drain(ctx))
}

// eventually waits until something has happened, for a minute at most.
func eventually(t *testing.T, happened func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a minute has passed without this: %s", what)
		}
	}
}

func TestACallerThatConnectedBeforeTheEndIsServed(t *testing.T) {
	c := config(t)
	l := mustListen(t, c)
	var greetings []func() string
	for range 100 {
		greetings = append(greetings, dial(t, c.Path)) // not accepted yet
	}
	stop := serve(t, l, nil)
	mustDrain(t, l)
	// Removed before the end, so that new callers do not wait in vain.
	if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the path is still there: %v", err)
	}
	stop()
	for i, greeting := range greetings {
		if got := greeting(); got != "hello" {
			t.Fatalf("caller %d of %d got %q", i, len(greetings), got)
		}
	}
}

func TestDrainWaitsUntilTheServerHasBegunWithEveryConnection(t *testing.T) {
	c := config(t)
	l := mustListen(t, c)
	release := make(chan struct{})
	stop := serve(t, l, func() { <-release })
	greeting := dial(t, c.Path)
	eventually(t, func() bool { return l.waiting() > 0 }, "the connection is accepted")
	drained := make(chan error, 1)
	go func() { drained <- l.Drain(t.Context()) }()
	select {
	case err := <-drained:
		t.Errorf("drained with a connection that the server has not begun with: %v", err)
	case <-l.parked:
	}
	close(release)
	testkit.Check(t, <-drained)
	stop()
	if got := greeting(); got != "hello" {
		t.Errorf("the caller got %q", got)
	}
}

func TestDrainIsBounded(t *testing.T) {
	for name, serves := range map[string]bool{"by a server that does not begin": true, "without Accept": false} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			l := mustListen(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			dial(t, c.Path)
			if serves {
				release := make(chan struct{})
				defer serve(t, l, func() { <-release })()
				defer close(release)
				go func() { <-l.parked; cancel() }()
			} else {
				cancel()
			}
			if err := l.Drain(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), c.Path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestATakeoverLosesNoCaller(t *testing.T) {
	c := config(t)
	c.Takeover = true
	old := mustListen(t, c)
	stopOld := serve(t, old, nil)
	upgrades := whileCalled(t, 200, func() (net.Conn, error) { return net.Dial("unix", c.Path) }, func() {
		next := mustListen(t, c)
		stopNext := serve(t, next, nil)
		mustDrain(t, old)
		stopOld()
		old, stopOld = next, stopNext
	})
	stopOld()
	t.Logf("%d upgrades", upgrades)
}

// whileCalled changes something again and again while eight callers dial, each so
// many times in sequence. All must be greeted. It returns how many
// changes there were.
func whileCalled(t *testing.T, each int, call func() (net.Conn, error), change func()) (changes int) {
	t.Helper()
	const callers = 8
	lost := make(chan string, callers*each)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				conn, err := call()
				if err != nil {
					lost <- err.Error()
					continue
				}
				if text, err := io.ReadAll(conn); err != nil || string(text) != "hello" {
					lost <- fmt.Sprintf("%q, %v", text, err)
				}
				_ = conn.Close()
			}
		})
	}
	go func() { wg.Wait(); close(lost) }()
	for {
		change()
		changes++
		select {
		case text, more := <-lost:
			if !more {
				return changes
			}
			t.Errorf("lost a caller: %s", text)
		default:
		}
	}
}
