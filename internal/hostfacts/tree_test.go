package hostfacts

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestATreeIsReadAsByAProcessWithThatRoot(t *testing.T) {
	root := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "srv/real"), 0o700), os.WriteFile(filepath.Join(root, "srv/real/f"), []byte("text"), 0o600),
		os.Symlink("/srv/real", filepath.Join(root, "link")), os.Symlink("loop", filepath.Join(root, "loop")), unix.Mkfifo(filepath.Join(root, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tree := Tree{root}
	if text, o, err := tree.ReadFile("/link/f", 4); err != nil || string(text) != "text" || o.Mode.Perm() != 0o600 || o.ModTime.IsZero() || o.Changed.IsZero() {
		t.Errorf("%q, %+v, %v", text, o, err)
	}
	if file, err := tree.Resolve("link/../srv/real/f"); err != nil || file != "/srv/real/f" {
		t.Errorf("%s, %v", file, err)
	}
	if way := tree.Way("/link/f"); len(way) != 3 {
		t.Errorf("%+v", way)
	}
	for name, want := range map[string]error{"/loop": unix.ELOOP, "/none": fs.ErrNotExist, "/srv/real/f/g": unix.ENOTDIR} {
		if _, _, err := tree.ReadFile(name, 4); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if o := tree.Stat(name); o.Exists || (o.Err != "") != errors.Is(want, unix.ELOOP) {
			t.Errorf("%s: %+v", name, o)
		}
	}
	for name, want := range map[string]string{"/link/f": "more than 3 bytes", "/pipe": "named pipe", "/srv": "directory"} {
		if _, _, err := tree.ReadFile(name, 3); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), root) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := (Tree{root + "/no"}).ReadFile("/f", 3); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a tree that does not exist: %v", err)
	}
}

func TestAProcessIsKnownByHowItWasStarted(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read line; true", "name", "")
	cmd.Env, cmd.Dir = []string{"A=1", "B="}, t.TempDir()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); cmd.Wait() }()
	procs := Processes{Dir: Proc}
	found, err := procs.Find(func(_ string, args []string) bool { return slices.Equal(args, cmd.Args) })
	i := slices.IndexFunc(found, func(r Running) bool { return r.PID == cmd.Process.Pid })
	if err != nil || i < 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	dir, err := filepath.EvalSymlinks(cmd.Dir)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(groups)
	if r := found[i]; !slices.Equal(slices.Sorted(slices.Values(r.Groups)), groups) || !slices.Contains(r.Environment, "B=") || r.Dir != dir || r.UID != os.Geteuid() || r.Started.IsZero() || !r.SameRoot || len(r.Denied) > 0 || r.Executable == "" {
		t.Errorf("%+v", r)
	}
}

func TestAddressesBelongToTheProcessThatHasTheirSockets(t *testing.T) {
	var config net.ListenConfig
	config.Control = func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}
	listen := func(network, address string) net.Listener {
		l, err := config.Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	alone := listen("tcp4", "127.0.0.1:0").Addr().String()
	shared := listen("tcp4", "127.0.0.1:0").Addr().String()
	listen("tcp4", shared)
	socket, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	found, err := Processes{Dir: Proc}.Listening(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Listening{{alone, false}, {shared, true}, {socket.Addr().String(), false}} {
		if !slices.Contains(found, want) {
			t.Errorf("%+v is not among %+v", want, found)
		}
	}
	if _, err := (Processes{Dir: Proc}).Listening(1 << 30); err == nil {
		t.Error("a process that does not exist")
	}
}

func TestAKernelWithoutOpenat2SaysWhatIsNeeded(t *testing.T) {
	for err, needs := range map[error]bool{unix.ENOSYS: true, unix.EPERM: true, unix.EACCES: false, unix.ENOENT: false} {
		if got := unavailable(err); (got != nil) != needs || needs && (!strings.Contains(got.Error(), "Linux 5.6") || errors.Is(got, fs.ErrPermission)) {
			t.Errorf("%v: %v", err, got)
		}
	}
	if err := (Tree{t.TempDir()}).Check(); err != nil {
		t.Error(err)
	}
}

func TestEntriesThatAreTooManyAreNotDroppedSilently(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"c", "a", "b"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for most, complete := range map[int]bool{2: false, 3: true} {
		entries, err := Tree{root}.readDir("/", most)
		if len(entries) != most || (err == nil) != complete || !complete && !strings.Contains(err.Error(), "more than 2 entries") {
			t.Errorf("%d: %v, %v", most, entries, err)
		}
	}
}

// A folder of a recorded process may hold a link to this host's.
func TestALinkInARecordedProcessDoesNotLeadOutOfTheTree(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for name, links := range map[string]map[string]string{
		"the whole process":  {"7": "/proc/self"},
		"its sockets":        {"7/fd": "/proc/self/fd", "7/net": "/proc/self/net"},
		"tables of sockets":  {"7/fd": "/proc/self/fd", "7/net/tcp": "/proc/self/net/tcp"},
		"by a relative path": {"7/fd": "../../../../../../../../proc/self/fd", "7/net": "../../../../../../../../proc/self/net"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for link, target := range links {
				link = filepath.Join(root, link)
				if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(target, link); err != nil {
					t.Fatal(err)
				}
			}
			p := Processes{Dir: root, Recorded: true}
			if found, _ := p.Listening(7); len(found) > 0 {
				t.Errorf("%+v", found)
			}
			if exe, _ := p.link(7, "exe"); exe != "" {
				t.Errorf("its program is %s", exe)
			}
			for _, file := range []string{"status", "net/tcp"} {
				if p.regular(7, file) {
					t.Errorf("%s is taken", file)
				}
			}
		})
	}
	root := t.TempDir()
	const table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0\n"
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "7/net"), 0o700), os.WriteFile(filepath.Join(root, "7/net/tcp"), []byte(table), 0o600),
		os.Mkdir(filepath.Join(root, "7/fd"), 0o700), os.Symlink("socket:[99]", filepath.Join(root, "7/fd/3")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := Processes{Dir: root, Recorded: true}.Listening(7)
	if err != nil || len(found) != 1 || found[0].Address != "127.0.0.1:2379" {
		t.Errorf("what was recorded of it is not read: %+v, %v", found, err)
	}
}
