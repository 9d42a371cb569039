package servicemanager

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// stored is one descriptor in the store.
type stored struct {
	name string
	file *os.File
}

// Stored names what is in the store, oldest first.
func (m *Manager) Stored() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, s := range m.store {
		names = append(names, s.name)
	}
	return names
}

// hear receives notifications until the socket is closed.
func (m *Manager) hear(path string) error {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		return err
	}
	m.notify = conn
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var optErr error
	err = raw.Control(func(fd uintptr) { optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
	if err := errors.Join(err, optErr); err != nil {
		return err
	}
	m.heard.Go(func() {
		data, oob := make([]byte, 4096), make([]byte, 4096)
		for {
			n, oobn, _, _, err := conn.ReadMsgUnix(data, oob)
			if err != nil {
				return
			}
			sender, files := control(oob[:oobn])
			m.notified(sender, string(data[:n]), files)
		}
	})
	return nil
}

// control takes apart what comes beside a datagram.
func control(oob []byte) (sender int, files []*os.File) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, nil
	}
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			sender = int(cred.Pid)
		}
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "notified"))
		}
	}
	return sender, files
}

// notified does what a notification says, if it is the service's own: that is
// NotifyAccess=main. Descriptors that are not stored are closed, which is all
// there is to BARRIER=1.
func (m *Manager) notified(sender int, message string, files []*os.File) {
	kept := false
	defer func() {
		for _, f := range files {
			if !kept {
				_ = f.Close()
			}
		}
	}()
	fields := map[string]string{}
	for line := range strings.SplitSeq(message, "\n") {
		key, value, _ := strings.Cut(line, "=")
		fields[key] = value
	}
	if fields["FDSTOREREMOVE"] == "1" && sender == m.PID() {
		m.drop(func(s stored) bool { return s.name == fields["FDNAME"] })
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil || sender != m.run.cmd.Process.Pid {
		return
	}
	if fields["READY"] == "1" {
		select {
		case <-m.run.ready:
		default:
			close(m.run.ready)
		}
	}
	if fields["FDSTORE"] == "1" && len(files) == 1 && len(m.store) < m.unit.StoreMax {
		m.store = append(m.store, stored{fields["FDNAME"], files[0]})
		kept = true
	}
}

func (m *Manager) drop(gone func(stored) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store = slices.DeleteFunc(m.store, func(s stored) bool {
		if gone(s) {
			_ = s.file.Close()
			return true
		}
		return false
	})
}
