package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// childVariable makes this test binary act as a program that uses a cluster.
// Its value is the path of an etcd binary, or brief.
const childVariable = "SEALPROOF_CLUSTER_CHILD"

// brief is a program that makes a cluster, closes it, and is done.
const brief = "brief"

func TestMain(m *testing.M) {
	if as := os.Getenv(childVariable); as != "" {
		if err := beChild(as); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childReport is what the child says once its cluster runs.
type childReport struct {
	Dir    string
	PIDs   []int
	Reaper int
}

// beChild starts a cluster, reports it on standard output, and waits for its
// standard input to end; then it panics in a goroutine of its own, which no
// deferred function sees.
func beChild(etcd string) error {
	c, err := New(Options{Binaries: components.Binaries{components.Etcd: {Path: etcd}}})
	if err != nil {
		return err
	}
	if etcd == brief {
		return c.Close()
	}
	defer func() { _ = c.Close() }()
	e, err := c.StartEtcd(context.Background(), 3)
	if err != nil {
		return err
	}
	report := childReport{Dir: c.Dir(), Reaper: c.dir.reaper.Process.Pid}
	for _, m := range e.members {
		report.PIDs = append(report.PIDs, m.PID())
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	go panic("the child panics, as it was told to")
	select {}
}

func TestNothingOutlivesAProgramThatDies(t *testing.T) {
	t.Parallel()
	// Started by a shell in the background, this process ignores interrupts, and the
	// program would as well. It does not inherit what is caught.
	if ossignal.Ignored(syscall.SIGINT) {
		caught := make(chan os.Signal, 1)
		ossignal.Notify(caught, syscall.SIGINT)
		t.Cleanup(func() { ossignal.Stop(caught) })
	}
	etcd := build(t, components.Etcd).Path(components.Etcd)
	for name, end := range map[string]func(child *child) error{
		"by Ctrl-C on its terminal": func(c *child) error { return syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT) },
		"by SIGKILL":                func(c *child) error { return c.cmd.Process.Kill() },
		"by a panic":                func(c *child) error { return c.stdin.Close() },
		"by SIGKILL, after its reaper was": func(c *child) error {
			if err := syscall.Kill(c.report.Reaper, syscall.SIGKILL); err != nil {
				return err
			}
			return c.cmd.Process.Kill()
		},
	} {
		t.Run(name, func(t *testing.T) {
			// A directory of its own: other programs remove stale clusters from a shared one.
			tmp := t.TempDir()
			child := startChild(t, etcd, tmp)
			// Another program must not take this directory for a stale one.
			runBrief(t, tmp)
			if _, err := os.Stat(child.report.Dir); err != nil {
				t.Fatalf("a cluster that runs lost its directory: %v", err)
			}
			testkit.Check(t, end(child))
			_ = child.cmd.Wait() // it dies of what was done to it
			ctx, cancel := context.WithTimeout(t.Context(), startLimit)
			defer cancel()
			for _, pid := range child.report.PIDs {
				if err := Until(ctx, func(context.Context) error { return gone(pid) }); err != nil {
					t.Error(err)
				}
			}
			if !strings.Contains(name, "reaper") {
				if err := Until(ctx, func(context.Context) error { return absent(child.report.Dir) }); err != nil {
					t.Error(err)
				}
				return
			}
			// Only the next program can notice.
			runBrief(t, tmp)
			if err := absent(child.report.Dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// It runs by itself: the goroutines of other tests would count as left behind.
func TestCloseLeavesNothingBehind(t *testing.T) {
	ctx := t.Context()
	before := goleak.IgnoreCurrent()
	c := newCluster(t, build(t, components.Etcd, components.Vault, components.APIServer))
	e := testkit.Must(c.StartEtcd(ctx, 3))(t)
	v := testkit.Must(c.StartVault(ctx, 1))(t)
	a := testkit.Must(c.StartAPIServer(ctx, APIServerOptions{Etcd: e}))(t)
	pids := []int{c.dir.reaper.Process.Pid, v.Node(0).PID(), a.PID()}
	for _, m := range e.members {
		pids = append(pids, m.PID())
	}
	closeCluster(t, c)
	closeCluster(t, c)
	for _, pid := range pids {
		if err := gone(pid); err != nil {
			t.Error(err)
		}
	}
	if err := absent(c.Dir()); err != nil {
		t.Error(err)
	}
	if len(c.ports.held) != 0 {
		t.Errorf("%d ports are still claimed", len(c.ports.held))
	}
	goleak.VerifyNone(t, before)
	if _, err := c.StartEtcd(ctx, 1); err == nil {
		t.Error("a closed cluster starts an etcd")
	}
	if err := v.Node(0).Restart(ctx); !errors.Is(err, errClosed) {
		t.Errorf("Restart after Close = %v", err)
	}
}

type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	report childReport
}

// childCommand runs this test binary as another program, with its own
// directory for temporary files.
func childCommand(t *testing.T, as, tmp string) *exec.Cmd {
	t.Helper()
	exe := testkit.Must(os.Executable())(t)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"="+as, "TMPDIR="+tmp)
	return cmd
}

func runBrief(t *testing.T, tmp string) {
	t.Helper()
	if out, err := childCommand(t, brief, tmp).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// startChild starts a child in a process group of its own, as a shell does
// with what it runs in the foreground.
func startChild(t *testing.T, etcd, tmp string) *child {
	t.Helper()
	cmd := childCommand(t, etcd, tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin := testkit.Must(cmd.StdinPipe())(t)
	stdout := testkit.Must(cmd.StdoutPipe())(t)
	testkit.Check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	c := &child{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the child did not report: %v", err)
	}
	testkit.Check(t, json.Unmarshal(line, &c.report))
	if filepath.Dir(c.report.Dir) != tmp {
		t.Fatalf("the child's directory %s is not in %s", c.report.Dir, tmp)
	}
	if len(c.report.PIDs) != 3 {
		t.Fatalf("the child reported %d processes, want 3", len(c.report.PIDs))
	}
	for _, pid := range c.report.PIDs {
		if gone(pid) == nil {
			t.Fatalf("process %d of the child does not run", pid)
		}
	}
	return c
}

// gone reports whether a process has ended; one that only waits to be
// collected by its new parent has.
func gone(pid int) error {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return nil
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	if strings.HasPrefix(rest, "Z") {
		return nil
	}
	return fmt.Errorf("process %d still runs", pid)
}

func absent(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fmt.Errorf("%s is still there", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func build(t *testing.T, names ...components.Name) components.Binaries {
	t.Helper()
	binaries := testkit.Must(components.Build(t.Context(), t.Output(), names...))(t)
	return binaries
}

func newCluster(t *testing.T, binaries components.Binaries) *Cluster {
	t.Helper()
	c := testkit.Must(New(Options{Binaries: binaries}))(t)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func closeCluster(t *testing.T, c *Cluster) {
	t.Helper()
	testkit.Check(t, c.Close())
}
