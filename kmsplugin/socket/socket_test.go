package socket

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

func config(t *testing.T) Config {
	t.Helper()
	// Not t.TempDir: its path can exceed what a socket's may have.
	dir := testkit.Must(os.MkdirTemp("", "sock"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return Config{Path: filepath.Join(dir, "kms.sock"), Mode: "0600"}
}

func mustListen(t *testing.T, c Config) *Listener {
	t.Helper()
	l := testkit.Must(Listen(t.Context(), c, Host{}))(t)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// answers reports whether a connect to the socket reaches the listener.
func answers(t *testing.T, l *Listener, path string) bool {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	defer conn.Close()
	accepted := testkit.Must(l.Accept())(t)
	return accepted.Close() == nil
}

func TestTheSocketHasItsPermissionsAndGoesWithItsListener(t *testing.T) {
	c := config(t)
	c.Mode = "0660"
	l := mustListen(t, c)
	info := testkit.Must(os.Stat(c.Path))(t)
	if info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v", info.Mode())
	}
	if !answers(t, l, c.Path) {
		t.Error("no answer")
	}
	testkit.Check(t, l.Close())
	if err := l.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	c := config(t)
	dead := testkit.Must(net.Listen("unix", c.Path))(t)
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	testkit.Check(t, dead.Close())
	if l := mustListen(t, c); !answers(t, l, c.Path) {
		t.Error("no answer")
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		plant func(path string) error
		want  string
	}{
		"a regular file":  {func(p string) error { return os.WriteFile(p, []byte("data"), 0o600) }, "regular file"},
		"a directory":     {func(p string) error { return os.Mkdir(p, 0o700) }, "directory"},
		"a symbolic link": {func(p string) error { return os.Symlink("/nowhere", p) }, "symbolic link"},
		"a named pipe":    {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "named pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.Takeover = true
			testkit.Check(t, tc.plant(c.Path))
			before := testkit.Must(os.Lstat(c.Path))(t)
			_, err := Listen(t.Context(), c, Host{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), c.Path) {
				t.Errorf("got %v, want an error that names %q", err, tc.want)
			}
			if after, err := os.Lstat(c.Path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was touched: %v", err)
			}
		})
	}
}

func TestASecondPluginRefusesUnlessItTakesOver(t *testing.T) {
	c := config(t)
	first := mustListen(t, c)
	if _, err := Listen(t.Context(), c, Host{}); err == nil || !strings.Contains(err.Error(), "--socket-takeover") {
		t.Fatalf("got %v", err)
	}
	c.Takeover = true
	second := mustListen(t, c)
	if !answers(t, second, c.Path) {
		t.Error("the successor does not answer")
	}
	// The first one's end must not take its successor's socket along.
	testkit.Check(t, first.Close())
	if !answers(t, second, c.Path) {
		t.Error("the first one removed its successor's socket")
	}
}

func TestPluginsThatStartTogetherDoNotBothWin(t *testing.T) {
	c := config(t)
	const plugins = 16
	results := make(chan *Listener, plugins)
	for range plugins {
		go func() {
			l, _ := Listen(t.Context(), c, Host{})
			results <- l
		}()
	}
	won := 0
	for range plugins {
		if l := <-results; l != nil {
			won++
			t.Cleanup(func() { _ = l.Close() })
		}
	}
	if won != 1 {
		t.Errorf("%d of %d listen", won, plugins)
	}
}

func TestImpossibleConfigurationsAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"abstract":         {Config{Path: "@kms", Mode: "0600"}, "path"},
		"relative":         {Config{Path: "kms.sock", Mode: "0600"}, "path"},
		"too long":         {Config{Path: "/" + strings.Repeat("x", 120), Mode: "0600"}, "the limit is"},
		"mode not octal":   {Config{Path: "/x", Mode: "rw"}, "mode"},
		"mode with setuid": {Config{Path: "/x", Mode: "4660"}, "mode"},
		"open to all":      {Config{Path: "/x", Mode: "0666"}, "every user"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Listen(t.Context(), tc.config, Host{}); err == nil || !strings.Contains(err.Error(), "socket.") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	c := config(t)
	c.Path = filepath.Join(filepath.Dir(c.Path), "missing", "kms.sock")
	if _, err := Listen(t.Context(), c, Host{}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("missing directory: got %v", err)
	}
	c = config(t)
	c.Group = "no-such-group"
	if _, err := Listen(t.Context(), c, Host{}); err == nil || !strings.Contains(err.Error(), "socket.group") {
		t.Errorf("missing group: got %v", err)
	}
	entries := testkit.Must(os.ReadDir(filepath.Dir(c.Path)))(t)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), lockSuffix) {
			t.Errorf("a failed start left %s behind", e.Name())
		}
	}
}

func TestAPluginWhoseQueueIsFullStillServes(t *testing.T) {
	c := config(t)
	fd := testkit.Must(syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))(t)
	defer syscall.Close(fd)
	testkit.Check(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: c.Path}))
	testkit.Check(t, syscall.Listen(fd, 0))
	for {
		conn, err := net.Dial("unix", c.Path)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	if !c.InUse(t.Context()) {
		t.Error("reported as not in use")
	}
	before := testkit.Must(os.Lstat(c.Path))(t)
	if _, err := Listen(t.Context(), c, Host{}); !errors.Is(err, errServed) {
		t.Errorf("got %v", err)
	}
	if after, err := os.Lstat(c.Path); err != nil || !os.SameFile(before, after) {
		t.Errorf("its path was taken: %v", err)
	}
	c.Takeover = true
	if l := mustListen(t, c); !answers(t, l, c.Path) {
		t.Error("it cannot be taken over")
	}
}

func TestALockFileThatIsALinkIsNotFollowed(t *testing.T) {
	for name, exists := range map[string]bool{"to a file": true, "to nothing": false} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			target := filepath.Join(t.TempDir(), "target")
			if exists {
				testkit.Check(t, os.WriteFile(target, []byte("data"), 0o600))
			}
			testkit.Check(t, os.Symlink(target, c.Path+lockSuffix))
			if l, err := Listen(t.Context(), c, Host{}); err == nil || !strings.Contains(err.Error(), c.Path+lockSuffix) {
				t.Errorf("got %v", err)
				_ = l.Close()
			}
			if _, err := os.Lstat(target); (err == nil) != exists {
				t.Errorf("what it leads to was made: %v", err)
			}
			if _, err := os.Lstat(c.Path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is bound nevertheless: %v", err)
			}
		})
	}
}

func TestOnlyOneHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that lock does not wait
	unlock := testkit.Must(lock(ended, path))(t)
	if second, err := lock(ended, path); err == nil {
		second()
		t.Error("locked twice")
	} else if !strings.Contains(err.Error(), "another plugin is starting") {
		t.Error(err)
	}
	unlock()
	again, err := lock(ended, path)
	if err != nil {
		t.Fatalf("it is not locked: %v", err)
	}
	again()
}
