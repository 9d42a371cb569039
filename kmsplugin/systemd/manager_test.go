package systemd

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/test/testkit"
)

// startedBy makes this test binary the service that a manager has started.
const startedBy = "SEALPROOF_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(startedBy) != "" {
		if err := service(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// service answers one connection with what it was handed.
func service() error {
	m, err := FromEnvironment()
	if err != nil {
		return err
	}
	for _, name := range []string{envPID, envCount, envNames, envNotify, envStoreMax} {
		if _, ok := os.LookupEnv(name); ok {
			return fmt.Errorf("%s is still in the environment", name)
		}
	}
	for _, d := range m.inherited {
		if flags, err := unix.FcntlInt(uintptr(d.fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			return fmt.Errorf("descriptor %d would reach children: flags %d, %w", d.fd, flags, err)
		}
	}
	listener, err := m.Listener("kms")
	if err != nil {
		return err
	}
	if listener == nil {
		return fmt.Errorf("no listener among %d descriptors", len(m.inherited))
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "left: %d", len(m.inherited)); err != nil {
		return err
	}
	return m.Close()
}

// startService starts this binary with descriptors, as a service manager does,
// and returns what it printed when it ended.
func startService(t *testing.T, names string, files ...*os.File) (wait func() (string, error)) {
	t.Helper()
	// Only the shell knows the process id before the program runs.
	cmd := exec.Command("/bin/sh", "-c", `export LISTEN_PID=$$; exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), startedBy+"=1", "GORACE=atexit_sleep_ms=0",
		"LISTEN_FDS="+fmt.Sprint(len(files)), "NOTIFY_SOCKET=/nowhere")
	if names != "" {
		cmd.Env = append(cmd.Env, "LISTEN_FDNAMES="+names)
	}
	cmd.ExtraFiles = files
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	testkit.Check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return func() (string, error) {
		err := cmd.Wait()
		return out.String(), err
	}
}

// listening returns a listening socket as a descriptor.
func listening(t *testing.T) (path string, f *os.File) {
	t.Helper()
	path = filepath.Join(shortDir(t), "s")
	l := testkit.Must(net.Listen("unix", path))(t)
	f = testkit.Must(l.(*net.UnixListener).File())(t)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	testkit.Check(t, l.Close())
	t.Cleanup(func() { _ = f.Close() })
	return path, f
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("", "sd"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestAServiceFindsItsSocketAmongWhatItIsHanded(t *testing.T) {
	for name, tc := range map[string]struct {
		names string
		// files is what is handed over: s for the socket that is connected to, o
		// for another one, m for a memory file.
		files string
		want  string
	}{
		"alone and named":               {"kms", "s", "left: 0"},
		"alone, named after its unit":   {"kmsplugin.socket", "s", "left: 0"},
		"alone, by a manager of old":    {"", "s", "left: 0"},
		"the named one of two":          {"other:kms", "os", "left: 1"},
		"beside what is in the store":   {"local-keks.3:kmsplugin.socket", "ms", "left: 1"},
		"last of all, with a bad store": {"a:local-keks.x:kms", "oms", "left: 2"},
	} {
		t.Run(name, func(t *testing.T) {
			path, socket := listening(t)
			_, other := listening(t)
			fd := testkit.Must(newMemFile("x", []byte("x")))(t)
			memory := os.NewFile(uintptr(fd), "x")
			defer memory.Close()
			var files []*os.File
			for _, c := range tc.files {
				files = append(files, map[rune]*os.File{'s': socket, 'o': other, 'm': memory}[c])
			}
			wait := startService(t, tc.names, files...)
			conn := testkit.Must(net.Dial("unix", path))(t)
			defer conn.Close()
			// A service that refuses never accepts; its end, not a clock, ends
			// the read.
			_ = socket.Close()
			answer, _ := io.ReadAll(conn)
			if out, err := wait(); err != nil || string(answer) != tc.want {
				t.Errorf("answered %q, want %q (%v: %s)", answer, tc.want, err, out)
			}
		})
	}
}

func TestAServiceThatCannotTellItsSocketSaysWhichThereAre(t *testing.T) {
	_, one := listening(t)
	_, two := listening(t)
	for _, names := range []string{"a:b", "kms:kms"} {
		out, err := startService(t, names, one, two)()
		if err == nil || !strings.Contains(out, strings.ReplaceAll(names, ":", ", ")) || !strings.Contains(out, "FileDescriptorName=kms") {
			t.Errorf("with %s: %v, %q", names, err, out)
		}
	}
}

func TestADescriptorThatIsAnnouncedButNotThereIsAnError(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", `export LISTEN_PID=$$; exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), startedBy+"=1", "LISTEN_FDS=60")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "take over descriptor") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWithoutAManagerThereAreNoDescriptorsOrNotifications(t *testing.T) {
	m := &Manager{}
	if l, err := m.Listener("kms"); l != nil || err != nil {
		t.Errorf("Listener = %v, %v", l, err)
	}
	for _, err := range []error{m.Ready("serving"), m.Status("x"), m.Stopping(), m.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}
