// Package servicemanager is as much of a service manager as the tests need: it
// holds a listening socket, starts one service with it, hears its notifications
// and stores the descriptors that it sends, as systemd does with a pair of units
//
//	[Socket]  ListenStream=  SocketMode=  FileDescriptorName=
//	[Service] Type=notify  NotifyAccess=main  FileDescriptorStoreMax=
//
// Running systemd itself takes a machine or a privileged container of its own.
// The package follows sd_listen_fds(3), sd_notify(3) and systemd.service(5); it
// must never import the product, or both sides could share a mistake.
package servicemanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startLimit is how long a service may take to be ready. It only bounds a hang.
const startLimit = 5 * time.Minute

// stopLimit is how long a service may take to end after SIGTERM.
const stopLimit = 30 * time.Second

// Unit says what is started and what it is given.
type Unit struct {
	// Program is the absolute path of the service, Args and Env what it gets
	// beside what the protocols say.
	Program   string
	Args, Env []string
	// Dir is an existing directory with a short path, for the notify socket.
	Dir string
	// LogPath receives what the service prints, over all its starts.
	LogPath string
	// Socket is the path that is listened on from New to Close; empty for none.
	// Its name is SocketName, its mode SocketMode.
	Socket, SocketName string
	SocketMode         fs.FileMode
	// StoreMax is how many descriptors are stored.
	StoreMax int
}

// A Manager runs one service. Start, Restart, Stop and Kill must not overlap.
type Manager struct {
	unit   Unit
	socket *os.File // nil without Unit.Socket
	notify *net.UnixConn
	starts chan start
	heard  sync.WaitGroup

	mu    sync.Mutex
	run   *run
	store []stored
}

// run is one life of the service.
type run struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed by READY=1
	done  chan struct{} // closed when it has ended
}

type start struct {
	cmd  *exec.Cmd
	done chan<- error
}

// New binds the sockets. The caller calls Close.
func New(u Unit) (*Manager, error) {
	m := &Manager{unit: u, starts: make(chan start)}
	if u.Socket != "" {
		if err := m.listen(); err != nil {
			return nil, fmt.Errorf("service manager: %w", err)
		}
	}
	if err := m.hear(filepath.Join(u.Dir, "notify")); err != nil {
		return nil, errors.Join(fmt.Errorf("service manager: %w", err), m.Close())
	}
	// A child ends with the thread that started it, and so with this program:
	// hence one thread that stays.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for s := range m.starts {
			s.done <- s.cmd.Start()
		}
	}()
	return m, nil
}

func (m *Manager) listen() error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: m.unit.Socket})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	m.socket, err = l.File()
	return errors.Join(err, l.Close(), os.Chmod(m.unit.Socket, m.unit.SocketMode))
}

// Start starts the service and waits until it says that it is ready.
func (m *Manager) Start(ctx context.Context) error {
	r, err := m.start()
	if err != nil {
		return fmt.Errorf("start %s: %w", m.unit.Program, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-r.ready:
		return nil
	case <-r.done:
		return fmt.Errorf("start %s: it ended before it was ready (%s); log: %s", m.unit.Program, r.cmd.ProcessState, m.unit.LogPath)
	case <-ctx.Done():
		return fmt.Errorf("start %s: not ready: %w; log: %s", m.unit.Program, ctx.Err(), m.unit.LogPath)
	}
}

func (m *Manager) start() (*run, error) {
	log, err := os.OpenFile(m.unit.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != nil {
		return nil, errors.New("it runs already")
	}
	// Only the shell knows the process id before the program runs.
	cmd := exec.Command("/bin/sh", slices.Concat([]string{"-c", `export LISTEN_PID=$$; exec "$@"`, "sh", m.unit.Program}, m.unit.Args)...) //nolint:gosec // named by a test
	cmd.Env = append(slices.Clone(m.unit.Env), "NOTIFY_SOCKET="+filepath.Join(m.unit.Dir, "notify"))
	var names []string
	if m.socket != nil {
		cmd.ExtraFiles, names = append(cmd.ExtraFiles, m.socket), append(names, m.unit.SocketName)
	}
	for _, s := range m.store {
		cmd.ExtraFiles, names = append(cmd.ExtraFiles, s.file), append(names, s.name)
	}
	if len(names) > 0 {
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	if m.unit.StoreMax > 0 {
		cmd.Env = append(cmd.Env, "FDSTORE="+strconv.Itoa(m.unit.StoreMax))
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan error)
	m.starts <- start{cmd, done}
	if err := <-done; err != nil {
		return nil, err
	}
	r := &run{cmd: cmd, ready: make(chan struct{}), done: make(chan struct{})}
	m.run = r
	go func() {
		_ = cmd.Wait() // its state says how it ended
		m.mu.Lock()
		m.run = nil
		m.mu.Unlock()
		close(r.done)
	}()
	return r, nil
}

// Restart stops the service and starts it again, as `systemctl restart` does:
// what is stored stays.
func (m *Manager) Restart(ctx context.Context) error {
	if err := m.end(syscall.SIGTERM); err != nil {
		return err
	}
	return m.Start(ctx)
}

// Stop ends the service and drops what is stored, as `systemctl stop` does
// unless the unit says FileDescriptorStorePreserve=yes.
func (m *Manager) Stop() error {
	err := m.end(syscall.SIGTERM)
	m.drop(func(stored) bool { return true })
	return err
}

// Kill ends the service with SIGKILL, as a crash does. What is stored stays for
// the Start that follows.
func (m *Manager) Kill() error { return m.end(syscall.SIGKILL) }

func (m *Manager) end(sig syscall.Signal) error {
	m.mu.Lock()
	r := m.run
	m.mu.Unlock()
	if r == nil {
		return nil
	}
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", m.unit.Program, err)
	}
	select {
	case <-r.done:
	case <-time.After(stopLimit):
		_ = r.cmd.Process.Kill()
		<-r.done
		return fmt.Errorf("stop %s: still running %v after %v; log: %s", m.unit.Program, stopLimit, sig, m.unit.LogPath)
	}
	if code := r.cmd.ProcessState.ExitCode(); sig == syscall.SIGTERM && code != 0 {
		return fmt.Errorf("stop %s: exit status %d; log: %s", m.unit.Program, code, m.unit.LogPath)
	}
	return nil
}

// PID is the service's process id; 0 while it does not run.
func (m *Manager) PID() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return 0
	}
	return m.run.cmd.Process.Pid
}

// Close ends everything.
func (m *Manager) Close() error {
	err := m.Stop()
	close(m.starts)
	if m.notify != nil {
		err = errors.Join(err, m.notify.Close())
	}
	m.heard.Wait()
	m.drop(func(stored) bool { return true })
	if m.socket != nil {
		err = errors.Join(err, m.socket.Close(), os.Remove(m.unit.Socket))
	}
	return err
}
