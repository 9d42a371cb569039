package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/test/testkit"
)

// inChild makes this test binary do one thing and print how it went.
const inChild = "SEALPROOF_TEST_CHILD"

func TestMain(m *testing.M) {
	what := os.Getenv(inChild)
	if what == "" {
		os.Exit(m.Run())
	}
	verb, argument, _ := strings.Cut(what, " ")
	err := map[string]func(string) error{
		"lock": lock, "lock-limited": lockLimited, "wait": wait, "wait-open": waitOpen, "read": read, "crash": crash,
	}[verb](argument)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child runs this binary again, as another user if one is given.
func child(t *testing.T, what string, credential *syscall.Credential) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program(t))
	cmd.Env = []string{inChild + "=" + what, "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	return cmd
}

// program is a copy of this binary that any user may run.
func program(t *testing.T) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("", "process"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	testkit.Check(t, os.Chmod(dir, 0o755))
	data := testkit.Must(os.ReadFile(os.Args[0]))(t)
	path := filepath.Join(dir, "child")
	testkit.Check(t, os.WriteFile(path, data, 0o755))
	return path
}

func output(t *testing.T, what string, credential *syscall.Credential) string {
	t.Helper()
	out, err := child(t, what, credential).CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out)
}

// statusField returns a line of what /proc/self/status said, in KiB.
func statusField(status []byte, name string) (int, error) {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("no line %s", name)
}

func lock(string) error {
	if err := LockMemory(); err != nil {
		return err
	}
	// Read once: between two readings more may become resident, and locked.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for _, field := range []string{"VmLck", "VmRSS"} {
		kib, err := statusField(status, field)
		if err != nil {
			return err
		}
		fmt.Printf("%s %d KiB\n", field, kib)
	}
	return nil
}

// lockLimited locks as a process that has a limit and no capability.
func lockLimited(string) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}); err != nil {
		return fmt.Errorf("set limit: %w", err)
	}
	// Capabilities belong to threads; this one is asked.
	runtime.LockOSThread()
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return LockMemory()
}

func TestMemoryIsLockedOrTheReasonIsGiven(t *testing.T) {
	var limit unix.Rlimit
	testkit.Check(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit))
	capable := testkit.Must(hasCapability(unix.CAP_IPC_LOCK))(t)
	out := output(t, "lock", nil)
	if lockable(limit.Cur, capable) != nil {
		if !strings.Contains(out, "RLIMIT_MEMLOCK") {
			t.Errorf("here memory cannot be locked, and the child says %q", out)
		}
		return
	}
	var locked, resident int
	if _, err := fmt.Sscanf(out, "VmLck %d KiB\nVmRSS %d KiB", &locked, &resident); err != nil || locked < resident {
		t.Errorf("%d of %d resident KiB are locked: %q", locked, resident, out)
	}
	t.Logf("with all memory locked: %s", out)
}

func TestALimitThatWouldKillTheProcessLaterIsRefused(t *testing.T) {
	out := output(t, "lock-limited", nil)
	// A process without root may not even raise its own limit.
	if !strings.Contains(out, "LimitMEMLOCK=infinity") && !strings.Contains(out, "set limit") {
		t.Errorf("the child says %q", out)
	}
	// In a pod that does not run as root, a capability that is added is not in force.
	if err := lockable(8<<20, false); !strings.Contains(err.Error(), "container configure its runtime to lift the limit") || strings.Contains(err.Error(), "add the capability") {
		t.Errorf("what to do in a container: %v", err)
	}
	for name, tc := range map[string]struct {
		limit   uint64
		capable bool
		want    bool
	}{
		"unlimited":                    {unix.RLIM_INFINITY, false, true},
		"the capability":               {8 << 20, true, true},
		"much":                         {1 << 40, false, false},
		"what distributions give":      {8 << 20, false, false},
		"nothing, with the capability": {0, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := lockable(tc.limit, tc.capable); (err == nil) != tc.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// wait forbids dumps and runs until its input ends.
func wait(argument string) error {
	if err := ForbidDumps(); err != nil {
		return err
	}
	return waitOpen(argument)
}

// waitOpen is a process that does not forbid dumps.
func waitOpen(string) error {
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

// read tries to read another process's memory and descriptors.
func read(pid string) error {
	maps, mapsErr := os.ReadFile("/proc/" + pid + "/maps")
	mem, memErr := os.Open("/proc/" + pid + "/mem")
	if memErr == nil {
		_ = mem.Close()
	}
	fds, fdErr := os.ReadDir("/proc/" + pid + "/fd")
	fmt.Printf("maps %t mem %t fd %t\n", mapsErr == nil && len(maps) > 0, memErr == nil, fdErr == nil && len(fds) > 0)
	return nil
}

// ordinary is a user without capabilities: the one that runs the test, or nobody
// if that is root.
func ordinary() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

func TestAnotherProcessOfTheSameUserCannotReadTheMemory(t *testing.T) {
	for what, want := range map[string]string{
		"wait-open": "maps true mem true fd true", // or the test would prove nothing
		"wait":      "maps false mem false fd false",
	} {
		t.Run(what, func(t *testing.T) {
			cmd := child(t, what, ordinary())
			stdin := testkit.Must(cmd.StdinPipe())(t)
			stdout := testkit.Must(cmd.StdoutPipe())(t)
			testkit.Check(t, cmd.Start())
			defer func() { _ = stdin.Close(); _ = cmd.Wait() }()
			line := make([]byte, 64)
			if n, err := stdout.Read(line); err != nil || string(line[:n]) != "ready\n" {
				t.Fatalf("%q, %v", line[:n], err)
			}
			if got := strings.TrimSpace(output(t, fmt.Sprintf("read %d", cmd.Process.Pid), ordinary())); got != want {
				t.Errorf("another process of the same user: %s, want %s", got, want)
			}
		})
	}
}

// crash ends by a signal that dumps core.
func crash(forbid string) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}); err != nil {
		return err
	}
	if forbid == "forbid" {
		if err := ForbidDumps(); err != nil {
			return err
		}
	}
	if err := unix.Kill(os.Getpid(), unix.SIGSEGV); err != nil {
		return err
	}
	time.Sleep(time.Minute) // the signal may reach another thread, which ends this one
	return errors.New("the signal has not ended the process")
}

func TestACrashLeavesNoCore(t *testing.T) {
	for _, tc := range []struct {
		argument string
		forbids  bool
	}{{"open", false}, {"forbid", true}} {
		cmd := child(t, "crash "+tc.argument, nil)
		cmd.Dir = filepath.Dir(cmd.Path)
		// Without this Go prints a trace and exits orderly.
		cmd.Env = append(cmd.Env, "GOTRACEBACK=crash")
		err := cmd.Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			t.Fatal(err)
		}
		status, _ := exit.Sys().(syscall.WaitStatus)
		if !status.Signaled() {
			t.Fatalf("%s: the child was not ended by a signal: %v", tc.argument, err)
		}
		if tc.forbids && status.CoreDump() {
			t.Error("a core was dumped although it is forbidden")
		}
		if !tc.forbids {
			t.Logf("without the ban: core dumped %t", status.CoreDump())
		}
	}
}
