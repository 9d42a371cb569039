package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// firstDescriptor is SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstDescriptor = 3

// Manager is the service manager that started this process. Without one every
// method still works: there are no descriptors, and notifications do nothing.
type Manager struct {
	notify   string
	storeMax int

	mu        sync.Mutex
	inherited []descriptor
}

// descriptor is a number and not an *os.File: an os.File may change the blocking
// mode, which all processes with the same socket share.
type descriptor struct {
	fd   int
	name string
}

// FromEnvironment takes over the descriptors that the service manager has passed to
// this process, and clears the variables, so that no child process uses them. It
// must be called once, at the start. The caller closes the Manager.
func FromEnvironment() (*Manager, error) {
	e, err := parseEnvironment(os.LookupEnv, os.Getpid())
	for _, name := range []string{envPID, envCount, envNames, envNotify, envStoreMax} {
		if unsetErr := os.Unsetenv(name); unsetErr != nil {
			err = errors.Join(err, fmt.Errorf("clear %s: %w", name, unsetErr))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("environment variables of the service manager: %w", err)
	}
	m := &Manager{notify: e.notify, storeMax: e.storeMax}
	for i, name := range e.names {
		fd := firstDescriptor + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, errors.Join(fmt.Errorf("take over descriptor %d (%s), which %s announces: %w", fd, name, envCount, err), m.Close())
		}
		m.inherited = append(m.inherited, descriptor{fd: fd, name: name})
	}
	return m, nil
}

// Listener returns the listening socket with a name (FileDescriptorName= of
// systemd.socket(5)). A single socket may have any name, since its default is that
// of its unit. Listener returns nil if there is none. The caller checks the type and
// address of the socket.
func (m *Manager) Listener(name string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sockets []descriptor
	for _, d := range m.inherited {
		if isListening(d.fd) {
			sockets = append(sockets, d)
		}
	}
	if len(sockets) > 1 {
		var names []string
		var named []descriptor
		for _, d := range sockets {
			names = append(names, d.name)
			if d.name == name {
				named = append(named, d)
			}
		}
		if len(named) != 1 {
			return nil, fmt.Errorf("the service manager passes %d sockets (%s): want one, or exactly one with FileDescriptorName=%s",
				len(sockets), strings.Join(names, ", "), name)
		}
		sockets = named
	}
	if len(sockets) == 0 {
		return nil, nil //nolint:nilnil // documented: there is none
	}
	d := m.take(sockets[0])
	f := os.NewFile(uintptr(d.fd), d.name)
	l, err := net.FileListener(f) // a duplicate
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("listen on descriptor %d (%s) from the service manager: %w", d.fd, d.name, err)
	}
	return l, nil
}

// take removes a descriptor from those that Close closes. The caller holds mu.
func (m *Manager) take(d descriptor) descriptor {
	m.inherited = slices.DeleteFunc(m.inherited, func(other descriptor) bool { return other == d })
	return d
}

func isListening(fd int) bool {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && listening == 1
}

// Close closes the inherited descriptors that were not used. The manager has its own
// copies.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, d := range m.inherited {
		if err := unix.Close(d.fd); err != nil {
			errs = append(errs, fmt.Errorf("close descriptor %d (%s): %w", d.fd, d.name, err))
		}
	}
	m.inherited = nil
	return errors.Join(errs...)
}
