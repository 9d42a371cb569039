package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestAPortThatIsTakenInTheLastMomentIsReplaced(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := newCluster(t, build(t, components.Etcd, components.Vault, components.APIServer))
	var e *Etcd
	for _, step := range []struct {
		name  string
		start func() error
	}{
		{"etcd", func() (err error) { e, err = c.StartEtcd(ctx, 1); return err }},
		{"Vault", func() error { _, err := c.StartVault(ctx, 1); return err }},
		{"kube-apiserver", func() error { _, err := c.StartAPIServer(ctx, APIServerOptions{Etcd: e}); return err }},
	} {
		thief := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
		stolen := false
		c.nextPort = func() (string, error) {
			if stolen {
				return c.ports.next()
			}
			stolen = true
			return thief.Addr().String(), nil
		}
		if err := step.start(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		testkit.Check(t, thief.Close())
	}
	closeCluster(t, c)
}

func TestAProcessOutlivesTheThreadThatAskedForIt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, build(t, components.Etcd))
	type result struct {
		etcd *Etcd
		err  error
	}
	started := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		e, err := c.StartEtcd(t.Context(), 1)
		started <- result{e, err}
	}()
	r := <-started
	if r.err != nil {
		t.Fatal(r.err)
	}
	// A kill would come at once, but nothing says when; several answers from
	// new connections take longer than that.
	for range 20 {
		testkit.Check(t, r.etcd.WaitReady(t.Context()))
	}
	closeCluster(t, c)
}

func TestAProcessThatEndsEarlyIsReportedWithItsLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, build(t, components.Etcd))
	begin := time.Now()
	_, err := c.StartEtcd(t.Context(), 1, "--no-such-flag")
	exit, ok := errors.AsType[*ExitError](err)
	if !ok {
		t.Fatalf("StartEtcd fails with %v, want an ExitError", err)
	}
	if exit.Code == 0 || !strings.Contains(exit.Tail, "no-such-flag") {
		t.Errorf("exit status %d and log %q do not show why etcd ended", exit.Code, exit.Tail)
	}
	if waited := time.Since(begin); waited > startLimit/2 {
		t.Errorf("it took %v to notice", waited)
	}
	closeCluster(t, c)
}

func TestAProcessThatEndsByItselfFailsCloseAndKeepsTheLogs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, build(t, components.Etcd))
	e := testkit.Must(c.StartEtcd(t.Context(), 1))(t)
	testkit.Check(t, syscall.Kill(e.Member(0).PID(), syscall.SIGKILL))
	<-e.Member(0).lastRun().done
	err := c.Close()
	t.Cleanup(func() { _ = os.RemoveAll(c.LogDir()) })
	if err == nil || !strings.Contains(err.Error(), "etcd-0 ended by itself (signal: killed)") {
		t.Errorf("Close = %v, want an error that names etcd-0 and the signal", err)
	}
	log, err := os.ReadFile(filepath.Join(c.LogDir(), "etcd-0.log"))
	if err != nil || len(log) == 0 {
		t.Errorf("the log was not kept: %d bytes, %v", len(log), err)
	}
	if err := absent(c.Dir()); err != nil {
		t.Error(err)
	}
}

// The processes below are shells, because no component ends as badly.

func TestAProcessThatIgnoresSIGTERMIsKilledAndReported(t *testing.T) {
	t.Parallel()
	c := newCluster(t, components.Binaries{"sh": {Path: "/bin/sh"}})
	p := c.newProcess("stubborn", c.Dir(), "sh", "-c", `trap "" TERM; echo up; while :; do read -r line </dev/zero; done`)
	p.ready = func(context.Context) error {
		if text, err := p.Log(); err != nil || text == "" {
			return errors.Join(err, errors.New("not up"))
		}
		return nil
	}
	testkit.Check(t, c.start(p))
	testkit.Check(t, p.WaitReady(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); err == nil || !strings.Contains(err.Error(), "still running after SIGTERM") {
		t.Errorf("Stop = %v, want an error that says that it did not stop", err)
	}
	if p.Running() {
		t.Error("it still runs")
	}
	closeCluster(t, c)
}

func TestADataRaceInAPluginFailsClose(t *testing.T) {
	t.Parallel()
	c := newCluster(t, components.Binaries{"sh": {Path: "/bin/sh"}})
	p := c.newProcess("racy", c.Dir(), "sh", "-c", `echo "WARNING: DATA RACE" >&2`)
	p.graceful = true
	testkit.Check(t, c.start(p))
	if code, err := p.WaitExit(t.Context()); err != nil || code != 0 {
		t.Fatalf("WaitExit = %d, %v", code, err)
	}
	err := c.Close()
	t.Cleanup(func() { _ = os.RemoveAll(c.LogDir()) })
	if err == nil || !strings.Contains(err.Error(), "racy has a data race") {
		t.Errorf("Close = %v, want an error about the data race", err)
	}
}

func TestOnlyTheLastLinesOfThisRunAreReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		log   string
		start int64
		want  string
	}{
		"nothing was written":           {"", 0, "(nothing)"},
		"only an earlier run wrote":     {"before\n", 7, "(nothing)"},
		"earlier runs are left out":     {"before\nnow\n", 7, "now"},
		"a long log begins with a line": {strings.Repeat("x", 5000) + "\nlast\n", 0, "last"},
	} {
		path := filepath.Join(t.TempDir(), "log")
		testkit.Check(t, os.WriteFile(path, []byte(test.log), 0o600))
		if got := logTail(path, test.start); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
