package socket

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// manager holds a listening socket as a service manager does.
func manager(t *testing.T, network, path string, mode os.FileMode) *os.File {
	t.Helper()
	l, err := net.ListenUnix(network, &net.UnixAddr{Net: network, Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if path[0] != '@' {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

func handOver(t *testing.T, f *os.File) net.Listener {
	t.Helper()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestCallersQueueInAnInheritedSocketFromOneProcessToTheNext(t *testing.T) {
	c := config(t)
	f := manager(t, "unix", c.Path, 0o660)
	listen := func() *Listener {
		l, err := Listen(t.Context(), c, Host{Inherited: handOver(t, f)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := listen()
	stop := serve(t, first, nil)
	before := dial(t, c.Path)
	if got := before(); got != "hello" {
		t.Fatalf("got %q", got)
	}
	mustDrain(t, first)
	between := []func() string{dial(t, c.Path), dial(t, c.Path)}
	stop()
	between = append(between, dial(t, c.Path)) // no plugin runs now
	second := listen()
	defer serve(t, second, nil)()
	for _, greeting := range between {
		if got := greeting(); got != "hello" {
			t.Errorf("a caller between the two got %q", got)
		}
	}
}

func TestAnInheritedSocketThatIsNotTheConfiguredOneIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(t *testing.T, c *Config) net.Listener
		want string
	}{
		"an abstract one": {func(t *testing.T, c *Config) net.Listener {
			return handOver(t, manager(t, "unix", "@"+filepath.Base(filepath.Dir(c.Path)), 0))
		}, "only a path has permissions"},
		"one of datagrams in order": {func(t *testing.T, c *Config) net.Listener {
			return handOver(t, manager(t, "unixpacket", c.Path, 0o660))
		}, "want a unix stream socket"},
		"one of the network": {func(t *testing.T, _ *Config) net.Listener {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return l
		}, "want a unix stream socket"},
		"one at another path": {func(t *testing.T, c *Config) net.Listener {
			return handOver(t, manager(t, "unix", filepath.Join(filepath.Dir(c.Path), "other.sock"), 0o660))
		}, "but socket.path is"},
		"one for every user, which is systemd's default": {func(t *testing.T, c *Config) net.Listener {
			return handOver(t, manager(t, "unix", c.Path, 0o666))
		}, "SocketMode=0660"},
		"one whose path was taken": {func(t *testing.T, c *Config) net.Listener {
			f := manager(t, "unix", c.Path, 0o660)
			if err := os.Remove(c.Path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.Path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return handOver(t, f)
		}, "regular file has taken the place"},
		"one whose path is gone": {func(t *testing.T, c *Config) net.Listener {
			f := manager(t, "unix", c.Path, 0o660)
			if err := os.Remove(c.Path); err != nil {
				t.Fatal(err)
			}
			return handOver(t, f)
		}, "no such file"},
		"a connection": {func(t *testing.T, c *Config) net.Listener {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: c.Path}); err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(fd), "connection")
			defer f.Close()
			return handOver(t, f)
		}, "does not listen"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			inherited := tc.make(t, &c)
			_, err := Listen(t.Context(), c, Host{Inherited: inherited})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "service manager") {
				t.Errorf("got %v, want an error that says %q", err, tc.want)
			}
		})
	}
}

func TestAnInheritedSocketIsFoundBehindALinkedDirectory(t *testing.T) {
	c := config(t)
	f := manager(t, "unix", c.Path, 0o660)
	link := filepath.Dir(c.Path) + ".link"
	if err := os.Symlink(filepath.Dir(c.Path), link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(link) })
	path := c.Path
	c.Path = filepath.Join(link, filepath.Base(c.Path))
	l, err := Listen(t.Context(), c, Host{Inherited: handOver(t, f)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the manager's socket there is more, or not even that: %v, %v", entries, err)
	}
	if !c.InUse(t.Context()) {
		t.Error("the manager's socket no longer listens")
	}
}

func TestInUseTellsWhetherAProcessServes(t *testing.T) {
	c := config(t)
	if c.InUse(context.Background()) {
		t.Error("a path that does not exist is in use")
	}
	l := mustListen(t, c)
	if !c.InUse(t.Context()) {
		t.Error("a listening socket is not in use")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if c.InUse(t.Context()) {
		t.Error("a closed one is")
	}
}
