package systemd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	// sendTimeout limits a notification: the manager's queue is full while it reloads,
	// and that must not block the sender.
	sendTimeout = 2 * time.Second
	// barrierTimeout is how long the manager may take to read what was sent.
	barrierTimeout = 5 * time.Second
	maxStatus      = 256
)

// Ready notifies the manager that requests are served. status is the line of
// `systemctl status`.
func (m *Manager) Ready(status string) error { return m.tell("READY=1", "STATUS="+oneLine(status)) }

// Stopping notifies the manager of an intended stop.
func (m *Manager) Stopping() error { return m.tell("STOPPING=1") }

// Status sets the line of `systemctl status`; at most 256 bytes of it are sent.
func (m *Manager) Status(text string) error { return m.tell("STATUS=" + oneLine(text)) }

func (m *Manager) tell(assignments ...string) error {
	if m.notify == "" {
		return nil
	}
	return m.send(strings.Join(assignments, "\n"))
}

// oneLine removes line breaks, which would begin another assignment.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	for len(text) > maxStatus {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// send sends one datagram with descriptors. It does not use package net, which sends
// no descriptors over a connected datagram socket.
func (m *Manager) send(message string, fds ...int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	timeout := unix.NsecToTimeval(sendTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	// A leading @ stands for the zero byte of an abstract address here, too.
	to := &unix.SockaddrUnix{Name: m.notify}
	err = unix.Sendmsg(fd, []byte(message), rights, to, unix.MSG_NOSIGNAL)
	for errors.Is(err, unix.EINTR) { // with a timeout the kernel does not restart the call, signal(7)
		err = unix.Sendmsg(fd, []byte(message), rights, to, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		return fmt.Errorf("notify the service manager at %s: %w", m.notify, err)
	}
	return nil
}

// barrier returns once the manager has read everything sent before. It sends the end
// of a pipe, which the manager closes when it reads the message
// (sd_notify_barrier(3)). Managers that do not know the message close it as well.
func (m *Manager) barrier() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("wait for the service manager: %w", err)
	}
	defer func() { _ = r.Close() }()
	err = m.send("BARRIER=1", int(w.Fd()))
	if err := errors.Join(err, w.Close(), r.SetReadDeadline(time.Now().Add(barrierTimeout))); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the service manager has not read the notification within %v: %w", barrierTimeout, err)
	}
	return nil
}
