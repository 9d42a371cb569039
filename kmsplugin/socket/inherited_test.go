package socket

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealproof/sealproof/test/testkit"
)

// manager holds a listening socket as a service manager does.
func manager(t *testing.T, network, path string, mode os.FileMode) *os.File {
	t.Helper()
	l := testkit.Must(net.ListenUnix(network, &net.UnixAddr{Net: network, Name: path}))(t)
	l.SetUnlinkOnClose(false)
	if path[0] != '@' {
		testkit.Check(t, os.Chmod(path, mode))
	}
	f := testkit.Must(l.File())(t)
	t.Cleanup(func() { _ = f.Close() })
	testkit.Check(t, l.Close())
	return f
}

func handOver(t *testing.T, f *os.File) net.Listener {
	t.Helper()
	l := testkit.Must(net.FileListener(f))(t)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestCallersQueueInAnInheritedSocketFromOneProcessToTheNext(t *testing.T) {
	c := config(t)
	f := manager(t, "unix", c.Path, 0o660)
	listen := func() *Listener {
		l := testkit.Must(Listen(t.Context(), c, Host{Inherited: handOver(t, f)}))(t)
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
			l := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
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
			testkit.Check(t, os.Remove(c.Path))
			testkit.Check(t, os.WriteFile(c.Path, nil, 0o600))
			return handOver(t, f)
		}, "regular file has taken the place"},
		"one whose path is gone": {func(t *testing.T, c *Config) net.Listener {
			f := manager(t, "unix", c.Path, 0o660)
			testkit.Check(t, os.Remove(c.Path))
			return handOver(t, f)
		}, "no such file"},
		"a connection": {func(t *testing.T, c *Config) net.Listener {
			fd := testkit.Must(syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0))(t)
			testkit.Check(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: c.Path}))
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
	testkit.Check(t, os.Symlink(filepath.Dir(c.Path), link))
	t.Cleanup(func() { _ = os.Remove(link) })
	path := c.Path
	c.Path = filepath.Join(link, filepath.Base(c.Path))
	l := testkit.Must(Listen(t.Context(), c, Host{Inherited: handOver(t, f)}))(t)
	testkit.Check(t, l.Close())
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
	testkit.Check(t, l.Close())
	if c.InUse(t.Context()) {
		t.Error("a closed one is")
	}
}
