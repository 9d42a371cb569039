package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stopLimit is how long a process may take to end after SIGTERM. It only bounds a
// hang: on a busy machine an API server takes many seconds.
const stopLimit = time.Minute

// A launcher starts processes from one OS thread that lives as long as it
// does. Pdeathsig is bound to the thread that started a child, not to the
// process: started from an ordinary goroutine, a child could be killed at any
// time because the Go runtime retires a thread.
type launcher struct {
	requests chan launchRequest
	refusing chan struct{} // closed when nothing may be started any more
	ended    chan struct{} // closed when the thread may go
}

type launchRequest struct {
	cmd  *exec.Cmd
	done chan<- error
}

func newLauncher() *launcher {
	l := &launcher{
		requests: make(chan launchRequest),
		refusing: make(chan struct{}),
		ended:    make(chan struct{}),
	}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			select {
			case r := <-l.requests:
				r.done <- r.cmd.Start()
			case <-l.ended:
				return
			}
		}
	}()
	return l
}

var errClosed = errors.New("the cluster is closed")

// open reports whether processes may still be started.
func (l *launcher) open() error {
	select {
	case <-l.refusing:
		return errClosed
	default:
		return nil
	}
}

func (l *launcher) start(cmd *exec.Cmd) error {
	done := make(chan error)
	select {
	case l.requests <- launchRequest{cmd, done}:
		return <-done
	case <-l.refusing:
		return errClosed
	}
}

// refuse makes every later start fail.
func (l *launcher) refuse() { close(l.refusing) }

// end lets the thread go. Every process must have been waited for.
func (l *launcher) end() { close(l.ended) }

// A Process is one component that can be stopped and started again, with the
// same arguments, ports and data. Its methods are safe for concurrent use,
// except that Start, Restart, Stop and Kill of one process must not overlap.
type Process struct {
	name    string
	path    string
	args    []string
	env     []string
	dir     string
	logPath string
	log     *slog.Logger
	launch  *launcher
	// graceful makes Close ask the process to stop before it kills it.
	graceful bool
	// ready reports why the process cannot serve yet, nil once it can.
	ready func(context.Context) error

	mu  sync.Mutex
	run *run // the current or the last one; nil before the first
}

// run is one life of a process.
type run struct {
	cmd      *exec.Cmd
	logStart int64
	// expected is set before the end is brought about, or once it was noticed:
	// an end that was neither asked for nor seen is a failure of its own.
	expected atomic.Bool
	done     chan struct{}
	err      error // of Wait; to be read after done
}

// An ExitError says that a process ended by itself.
type ExitError struct {
	// Name of the process.
	Name string
	// Code is its exit status, -1 if a signal ended it.
	Code int
	// LogPath is the log, and Tail its last lines from this run.
	LogPath, Tail string
	state         string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s ended by itself (%s); its log %s ends with:\n%s", e.Name, e.state, e.LogPath, e.Tail)
}

// PortTaken reports whether another program had taken the port.
func (e *ExitError) PortTaken() bool { return strings.Contains(e.Tail, "address already in use") }

// Impatient reports whether a kube-apiserver gave up at its start. It waits 20 s for a
// connection to etcd, and 30 s for what it first writes there; a busy machine may take longer.
func (e *ExitError) Impatient() bool {
	return strings.Contains(e.Tail, "etcd grpc connection not ready: context deadline exceeded") ||
		strings.Contains(e.Tail, "PostStartHook") && strings.Contains(e.Tail, "timed out waiting for the condition")
}

// Name is the process's name, unique in its cluster.
func (p *Process) Name() string { return p.name }

// LogPath is the file that holds everything the process wrote to its standard
// output and error, over all its restarts.
func (p *Process) LogPath() string { return p.logPath }

// Args are the command line arguments, without the program's name.
func (p *Process) Args() []string { return append([]string(nil), p.args...) }

// Log returns what the process has written so far.
func (p *Process) Log() (string, error) {
	data, err := os.ReadFile(p.logPath)
	if err != nil {
		return "", fmt.Errorf("read the log of %s: %w", p.name, err)
	}
	return string(data), nil
}

// PID is the process id of the current or last run, 0 before the first.
func (p *Process) PID() int {
	if r := p.lastRun(); r != nil {
		return r.cmd.Process.Pid
	}
	return 0
}

// Running reports whether the process has been started and has not ended.
func (p *Process) Running() bool { return p.lastRun().alive() }

func (p *Process) lastRun() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

func (r *run) alive() bool {
	if r == nil {
		return false
	}
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// Start starts the process, which must not be running, and does not wait.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run.alive() {
		return fmt.Errorf("start %s: it is running as process %d", p.name, p.run.cmd.Process.Pid)
	}
	if err := p.launch.open(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	out, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	defer func() { _ = out.Close() }()
	info, err := out.Stat()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	r := &run{cmd: exec.Command(p.path, p.args...), logStart: info.Size(), done: make(chan struct{})} //nolint:gosec // components of this repository
	r.cmd.Stdout, r.cmd.Stderr = out, out
	r.cmd.Env, r.cmd.Dir = p.env, p.dir
	r.cmd.SysProcAttr = childAttributes()
	if err := p.launch.start(r.cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.run = r
	go func() {
		r.err = r.cmd.Wait()
		close(r.done)
	}()
	p.log.Debug("started", "process", p.name, "pid", r.cmd.Process.Pid)
	return nil
}

// WaitReady waits until the process serves. It fails at once with an
// *ExitError if the process ends, and after two minutes in any case; the
// process is then left running.
func (p *Process) WaitReady(ctx context.Context) error {
	return p.wait(ctx, "be ready", p.ready)
}

// Until is Until for what this process is expected to do, which goal names: it
// completes "wait for X to ". It fails at once with an *ExitError if the process
// ends.
func (p *Process) Until(ctx context.Context, goal string, try func(context.Context) error) error {
	return p.wait(ctx, goal, try)
}

// wait polls cond while the process runs. goal completes "wait for X to ".
func (p *Process) wait(ctx context.Context, goal string, cond func(context.Context) error) error {
	r := p.lastRun()
	if r == nil {
		return fmt.Errorf("wait for %s to %s: it was never started", p.name, goal)
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	// Once the process has ended there is nothing to wait for, not even an
	// answer of another process that has taken its port.
	go func() {
		select {
		case <-r.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	begin := time.Now()
	err := Until(ctx, cond)
	if !r.alive() {
		return p.exitError(r)
	}
	if err != nil {
		return fmt.Errorf("wait for %s to %s (log: %s): %w", p.name, goal, p.logPath, err)
	}
	p.log.Debug("waited", "process", p.name, "goal", goal, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// Restart stops the process if it runs, starts it, and waits until it serves.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	return p.WaitReady(ctx)
}

// Stop asks the process to end with SIGTERM and waits for it. One that has not
// ended after a minute, or when ctx ends, is killed, and that is an error. A
// process that is not running is left alone.
func (p *Process) Stop(ctx context.Context) error {
	r := p.lastRun()
	if !r.alive() {
		return nil
	}
	r.expected.Store(true)
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	// A paused process would see the signal only when it goes on.
	if err := errors.Join(signal(r, syscall.SIGTERM), signal(r, syscall.SIGCONT)); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-r.done:
		p.log.Debug("stopped", "process", p.name)
		return nil
	case <-ctx.Done():
		err := fmt.Errorf("stop %s: still running after SIGTERM (%w), killed; log: %s", p.name, context.Cause(ctx), p.logPath)
		return errors.Join(err, p.Kill())
	}
}

// Kill ends the process with SIGKILL and waits until it is gone. A process
// that is not running is left alone.
func (p *Process) Kill() error {
	r := p.lastRun()
	if !r.alive() {
		return nil
	}
	r.expected.Store(true)
	if err := signal(r, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-r.done
	p.log.Debug("killed", "process", p.name)
	return nil
}

// Pause stops the process in its tracks with SIGSTOP: its connections stay
// open and nothing answers, as on a hung machine.
func (p *Process) Pause() error { return p.signalRunning("pause", syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signalRunning("resume", syscall.SIGCONT) }

// Reload has it read its configuration again, if it is a program that does so at
// SIGHUP.
func (p *Process) Reload() error { return p.signalRunning("reload", syscall.SIGHUP) }

func (p *Process) signalRunning(verb string, s syscall.Signal) error {
	r := p.lastRun()
	if !r.alive() {
		return fmt.Errorf("%s %s: it is not running", verb, p.name)
	}
	if err := signal(r, s); err != nil {
		return fmt.Errorf("%s %s: %w", verb, p.name, err)
	}
	return nil
}

// signal sends s; a process that has just ended is no error.
func signal(r *run, s syscall.Signal) error {
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// WaitExit waits until the process ends by itself and returns its exit status,
// for processes that are expected to refuse to run.
func (p *Process) WaitExit(ctx context.Context) (int, error) {
	r := p.lastRun()
	if r == nil {
		return 0, fmt.Errorf("wait for %s to end: it was never started", p.name)
	}
	select {
	case <-r.done:
		r.expected.Store(true)
		return r.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for %s to end (log: %s): %w", p.name, p.logPath, context.Cause(ctx))
	}
}

// exitError describes the end of r, and counts it as seen.
func (p *Process) exitError(r *run) *ExitError {
	r.expected.Store(true)
	return &ExitError{
		Name:    p.name,
		Code:    r.cmd.ProcessState.ExitCode(),
		LogPath: p.logPath,
		Tail:    logTail(p.logPath, r.logStart),
		state:   r.cmd.ProcessState.String(),
	}
}

// unseenExit is the error of a process that ended without being stopped.
func (p *Process) unseenExit() error {
	r := p.lastRun()
	if r == nil || r.alive() || r.expected.Load() {
		return nil
	}
	return p.exitError(r)
}

// logTail returns the last lines of a log, at most 4 KiB of what was written
// after start.
func logTail(path string, start int64) string {
	f, err := os.Open(path) //nolint:gosec // a path of this cluster
	if err != nil {
		return "(cannot be read: " + err.Error() + ")"
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "(cannot be read: " + err.Error() + ")"
	}
	const most = 4096
	from := max(start, info.Size()-most)
	data, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return "(cannot be read: " + err.Error() + ")"
	}
	if from > start { // begin with a whole line
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			data = data[i+1:]
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return "(nothing)"
	}
	return strings.TrimRight(string(data), "\n")
}
