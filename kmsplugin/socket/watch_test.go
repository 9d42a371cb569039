package socket

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/testkit"
)

// watched is a listener that serves, with the states and the log that it reported.
type watched struct {
	*Listener
	stop   func()
	log    bytes.Buffer
	states []State
}

func listenAndServe(t *testing.T, c Config, inherited net.Listener) *watched {
	t.Helper()
	k := &watched{}
	l, err := Listen(t.Context(), c, Host{
		Inherited: inherited,
		State:     func(s State) { k.states = append(k.states, s) },
		Log:       slog.New(slog.NewTextHandler(&k.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Listener, k.stop = l, serve(t, l, nil)
	t.Cleanup(k.stop)
	return k
}

// mustTell checks the states that a listener has reported since its start.
func (k *watched) mustTell(t *testing.T, want ...State) {
	t.Helper()
	if !slices.Equal(k.states, want) {
		t.Errorf("told %v, want %v; log: %s", k.states, want, k.log.String())
	}
}

// successor takes the path over.
func successor(t *testing.T, c Config) *Listener {
	t.Helper()
	c.Takeover = true
	return mustListen(t, c)
}

// kill ends a listener as SIGKILL does: the path stays, and no process listens.
func kill(l *Listener) error { return l.bound.Load().Close() }

func mustGreet(t *testing.T, c Config) {
	t.Helper()
	if got := dial(t, c.Path)(); got != "hello" {
		t.Errorf("a caller got %q", got)
	}
}

func TestALostPathIsBoundAgain(t *testing.T) {
	group := os.Getegid()
	if os.Geteuid() == 0 {
		group = 65534 // not what a new file has by itself
	}
	for name, lose := range map[string]func(t *testing.T, c Config) error{
		"a successor ended":      func(t *testing.T, c Config) error { return successor(t, c).Close() },
		"a successor was killed": func(t *testing.T, c Config) error { return kill(successor(t, c)) },
		"the path was removed":   func(_ *testing.T, c Config) error { return os.Remove(c.Path) },
		"the path was renamed":   func(_ *testing.T, c Config) error { return os.Rename(c.Path, c.Path+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.Mode, c.Group = "0660", strconv.Itoa(group)
			c.Takeover = true // as a replaced plugin has it
			k := listenAndServe(t, c, nil)
			testkit.Check(t, lose(t, c))
			k.look(t.Context())
			mustGreet(t, c)
			info := testkit.Must(os.Lstat(c.Path))(t)
			if info.Mode() != os.ModeSocket|0o660 || info.Sys().(*syscall.Stat_t).Gid != uint32(group) {
				t.Errorf("it is %v of group %d", info.Mode(), info.Sys().(*syscall.Stat_t).Gid)
			}
			k.mustTell(t, Own)
			if !strings.Contains(k.log.String(), "bound again") {
				t.Errorf("log: %s", k.log.String())
			}
			mustDrain(t, k.Listener)
			k.stop()
			if _, err := os.Lstat(c.Path); !os.IsNotExist(err) {
				t.Errorf("left behind: %v", err)
			}
		})
	}
}

func TestASocketThatIsBoundAgainLetsInTheSameUsers(t *testing.T) {
	c := config(t)
	c.AllowUIDs = []string{strconv.Itoa(os.Geteuid() + 1)}
	k := listenAndServe(t, c, nil)
	testkit.Check(t, os.Remove(c.Path))
	k.look(t.Context())
	if got := dial(t, c.Path)(); got == "hello" {
		t.Error("a user that is not listed is served")
	}
}

func TestASuccessorThatLivesKeepsThePath(t *testing.T) {
	c := config(t)
	c.Takeover = true // as a replaced plugin has it
	k := listenAndServe(t, c, nil)
	next := successor(t, c)
	for range 3 {
		k.look(t.Context())
	}
	if file, err := identify(c.Path); err != nil || file != next.bound.Load().file {
		t.Errorf("the path is taken back: %v", err)
	}
	k.mustTell(t, Own, Other)
	if n := strings.Count(k.log.String(), "another process has taken the socket over"); n != 1 {
		t.Errorf("logged %d times: %s", n, k.log.String())
	}
	testkit.Check(t, next.Close())
	k.look(t.Context())
	mustGreet(t, c)
	k.mustTell(t, Own, Other, Own)
}

func TestWhatLiesInTheWayIsLeftAloneAndNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		lay, clear func(path string) error
		want       string
	}{
		"a regular file": {
			func(p string) error { return errors.Join(os.Remove(p), os.WriteFile(p, []byte("data"), 0o600)) },
			os.Remove, "regular file"},
		"a link to another socket": {
			func(p string) error { return errors.Join(os.Rename(p, p+".old"), os.Symlink(p+".old", p)) },
			os.Remove, "symbolic link"},
		"the directory is gone": {
			func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
			func(p string) error { return os.Mkdir(filepath.Dir(p), 0o700) }, "does the directory exist"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			k := listenAndServe(t, c, nil)
			testkit.Check(t, tc.lay(c.Path))
			before, _ := os.Lstat(c.Path)
			k.look(t.Context())
			k.look(t.Context())
			if after, _ := os.Lstat(c.Path); before != nil && (after == nil || !os.SameFile(before, after)) {
				t.Error("it was touched")
			}
			k.mustTell(t, Own, Lost)
			if n := strings.Count(k.log.String(), tc.want); n != 1 || !strings.Contains(k.log.String(), c.Path) {
				t.Errorf("%q is logged %d times: %s", tc.want, n, k.log.String())
			}
			testkit.Check(t, tc.clear(c.Path))
			k.look(t.Context())
			mustGreet(t, c)
			k.mustTell(t, Own, Lost, Own)
		})
	}
}

func TestAnInheritedSocketIsNeverBoundAgain(t *testing.T) {
	c := config(t)
	k := listenAndServe(t, c, handOver(t, manager(t, "unix", c.Path, 0o660)))
	k.look(t.Context())
	k.mustTell(t, Own)
	next := successor(t, c)
	k.look(t.Context())
	k.mustTell(t, Own, Other)
	testkit.Check(t, next.Close())
	k.look(t.Context())
	k.mustTell(t, Own, Other, Lost)
	if !strings.Contains(k.log.String(), "restart the socket unit") {
		t.Errorf("log: %s", k.log.String())
	}
	if _, err := os.Lstat(c.Path); !os.IsNotExist(err) {
		t.Errorf("something was bound: %v", err)
	}
}

// A caller that connected before the path was lost, and is not accepted yet, must be
// served: it cannot notice the loss.
func TestACallerThatConnectedBeforeTheSocketWasBoundAgainIsServed(t *testing.T) {
	c := config(t)
	l := mustListen(t, c)
	var greetings []func() string
	for range 100 {
		greetings = append(greetings, dial(t, c.Path)) // not accepted yet
	}
	testkit.Check(t, os.Remove(c.Path))
	looked := make(chan struct{})
	go func() { l.look(t.Context()); close(looked) }()
	eventually(t, func() bool { _, err := os.Lstat(c.Path); return err == nil }, "there is a new one")
	time.Sleep(5 * time.Millisecond) // time in which it could close the old one
	defer serve(t, l, nil)()
	<-looked
	greetings = append(greetings, dial(t, c.Path))
	for i, greeting := range greetings {
		if got := greeting(); got != "hello" {
			t.Fatalf("caller %d of %d got %q", i, len(greetings), got)
		}
	}
}

// runWatch watches the path until end is called, which drains and stops as a process
// does that is told to stop.
func runWatch(t *testing.T, l *Listener, stop func()) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	look := time.NewTicker(time.Millisecond)
	done := make(chan struct{})
	go func() { l.Watch(ctx, look.C); close(done) }()
	return func() {
		cancel()
		mustDrain(t, l)
		stop()
		<-done
		look.Stop()
	}
}

// The other half of TestATakeoverLosesNoCaller: a caller that finds no socket tries
// again, as gRPC does, but a caller that has connected is served.
func TestATakeoverThatIsUndoneLosesNoCaller(t *testing.T) {
	c := config(t)
	c.Takeover = true
	old := mustListen(t, c)
	endOld := runWatch(t, old, serve(t, old, nil))
	untilFound := func() (net.Conn, error) {
		conn, err := net.Dial("unix", c.Path)
		for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); conn, err = net.Dial("unix", c.Path) {
			time.Sleep(time.Millisecond)
		}
		return conn, err
	}
	undone := whileCalled(t, 100, untilFound, func() {
		next := mustListen(t, c)
		runWatch(t, next, serve(t, next, nil))()
	})
	endOld()
	if _, err := os.Lstat(c.Path); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
	t.Logf("%d takeovers undone", undone)
}

func TestTheEndIsNotHeldUpByBindingAgain(t *testing.T) {
	c := config(t)
	k := listenAndServe(t, c, nil)
	unlock := testkit.Must(lock(t.Context(), c.Path+lockSuffix))(t) // another plugin starts slowly
	testkit.Check(t, os.Remove(c.Path))
	ctx, cancel := context.WithCancel(t.Context())
	done, look := make(chan struct{}), make(chan time.Time)
	go func() { k.Watch(ctx, look); close(done) }()
	look <- time.Time{}
	cancel()
	<-done
	unlock()
	mustDrain(t, k.Listener)
	k.look(t.Context()) // too late
	if _, err := os.Lstat(c.Path); !os.IsNotExist(err) {
		t.Errorf("bound again after the end: %v", err)
	}
	k.mustTell(t, Own)
}

func TestTheAddressIsWhereCallersFindTheSocket(t *testing.T) {
	c := config(t)
	if l := mustListen(t, c); l.Addr().String() != c.Path {
		t.Errorf("it is %s", l.Addr())
	}
}
