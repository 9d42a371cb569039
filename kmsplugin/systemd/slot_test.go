package systemd

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/test/testkit"
)

// store stands for the service manager: it does with notifications what
// sd_notify(3) says. The tests with real processes are in test/upgrade.
type store struct {
	conn *net.UnixConn
	done chan struct{}

	mu       sync.Mutex
	room     int
	messages []string
	kept     []descriptor
}

func newStore(t *testing.T, address string) *store {
	t.Helper()
	conn := testkit.Must(net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: address}))(t)
	s := &store{conn: conn, done: make(chan struct{}), room: 4}
	go s.run()
	t.Cleanup(func() {
		_ = conn.Close()
		<-s.done
		for _, d := range s.kept {
			_ = unix.Close(d.fd)
		}
	})
	return s
}

func (s *store) run() {
	defer close(s.done)
	data, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, oobn, _, _, err := s.conn.ReadMsgUnix(data, oob)
		if err != nil {
			return
		}
		s.take(string(data[:n]), descriptorsIn(oob[:oobn]))
	}
}

func descriptorsIn(oob []byte) (fds []int) {
	messages, _ := unix.ParseSocketControlMessage(oob)
	for i := range messages {
		more, _ := unix.ParseUnixRights(&messages[i])
		fds = append(fds, more...)
	}
	return fds
}

func (s *store) take(message string, fds []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fields := map[string]string{}
	for line := range strings.SplitSeq(message, "\n") {
		key, value, _ := strings.Cut(line, "=")
		fields[key] = value
	}
	s.messages = append(s.messages, message)
	if fields["FDSTOREREMOVE"] == "1" {
		s.kept = slices.DeleteFunc(s.kept, func(d descriptor) bool {
			gone := d.name == fields["FDNAME"]
			if gone {
				_ = unix.Close(d.fd)
			}
			return gone
		})
	}
	for _, fd := range fds {
		if fields["FDSTORE"] == "1" && len(s.kept) < s.room {
			s.kept = append(s.kept, descriptor{fd, fields["FDNAME"]})
			continue
		}
		_ = unix.Close(fd)
	}
}

// settle waits until everything sent so far has been taken.
func (s *store) settle(t *testing.T) {
	t.Helper()
	testkit.Check(t, (&Manager{notify: s.conn.LocalAddr().String()}).barrier())
}

// sent lists the messages since the last restart.
func (s *store) sent(t *testing.T) []string {
	t.Helper()
	s.settle(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages[:len(s.messages)-1]) // less the one of settle
}

func (s *store) names(t *testing.T) (names []string) {
	t.Helper()
	s.settle(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.kept {
		names = append(names, d.name)
	}
	return names
}

// restarted is the manager as the next process meets it.
func (s *store) restarted(t *testing.T) *Manager {
	t.Helper()
	s.settle(t)
	m := &Manager{notify: s.conn.LocalAddr().String(), storeMax: s.room}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
	for _, d := range s.kept {
		fd := testkit.Must(unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0))(t)
		m.inherited = append(m.inherited, descriptor{fd, d.name})
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func mustSlot(t *testing.T, m *Manager) *Slot {
	t.Helper()
	s := testkit.Must(m.Slot("local-keks"))(t)
	return s
}

func mustLoad(t *testing.T, s *Slot, want string) {
	t.Helper()
	if blob, err := s.Load(); err != nil || string(blob) != want {
		t.Fatalf("loaded %q, %v; want %q", blob, err, want)
	}
}

func mustSave(t *testing.T, s *Slot, blob string) {
	t.Helper()
	testkit.Check(t, s.Save([]byte(blob)))
}

func TestWhatIsSavedIsThereForEveryNextStart(t *testing.T) {
	for name, address := range map[string]string{
		"a path":              filepath.Join(shortDir(t), "n"),
		"an abstract address": "@sealproof-test-" + filepath.Base(shortDir(t)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, address)
			first := mustSlot(t, s.restarted(t))
			mustLoad(t, first, "")
			mustSave(t, first, "one")
			mustSave(t, first, "two")
			if got := s.names(t); !slices.Equal(got, []string{"local-keks.2"}) {
				t.Errorf("the store holds %v, want the newest alone", got)
			}
			second := mustSlot(t, s.restarted(t)) // killed before it saved anything
			mustLoad(t, second, "two")
			mustLoad(t, second, "")
			third := mustSlot(t, s.restarted(t))
			mustLoad(t, third, "two")
			mustSave(t, third, "three")
			if got := s.names(t); !slices.Equal(got, []string{"local-keks.3"}) {
				t.Errorf("the store holds %v, want the newest alone", got)
			}
			testkit.Check(t, third.Clear())
			if got := s.names(t); len(got) != 0 {
				t.Errorf("cleared, the store holds %v", got)
			}
		})
	}
}

func TestAProcessKilledBetweenStoringAndRemovingLosesNothing(t *testing.T) {
	s := newStore(t, filepath.Join(shortDir(t), "n"))
	first := mustSlot(t, s.restarted(t))
	mustSave(t, first, "old")
	// The first half of a Save.
	fd := testkit.Must(newMemFile("x", []byte("new")))(t)
	testkit.Check(t, errors.Join(first.manager.send("FDSTORE=1\nFDNAME=local-keks.10\nFDPOLL=0", fd), first.manager.barrier(), unix.Close(fd)))
	second := mustSlot(t, s.restarted(t))
	mustLoad(t, second, "new") // 10 is more than 1, although "1" sorts after it
	mustSave(t, second, "newer")
	if got := s.names(t); !slices.Equal(got, []string{"local-keks.11"}) {
		t.Errorf("the store holds %v", got)
	}
}

func TestTheOldBlobStaysUntilTheManagerHasTheNewOne(t *testing.T) {
	s := newStore(t, filepath.Join(shortDir(t), "n"))
	slot := mustSlot(t, s.restarted(t))
	mustSave(t, slot, "one")
	mustSave(t, slot, "two")
	var order []string
	for _, m := range s.sent(t) {
		order = append(order, strings.Join(strings.Split(m, "\n")[:1], ""))
	}
	want := []string{"FDSTORE=1", "BARRIER=1", "FDSTORE=1", "BARRIER=1", "FDSTOREREMOVE=1"}
	if !slices.Equal(order, want) {
		t.Errorf("sent %v, want %v", order, want)
	}
}

func TestOnlyASealedMemoryFileOfThisUserIsBelieved(t *testing.T) {
	plain := func(flags int, content string) func(t *testing.T) int {
		return func(t *testing.T) int {
			fd := testkit.Must(unix.MemfdCreate("x", flags))(t)
			if _, err := unix.Write(fd, []byte(content)); err != nil {
				t.Fatal(err)
			}
			return fd
		}
	}
	sealed := func(t *testing.T) int {
		fd := testkit.Must(newMemFile("x", []byte("good")))(t)
		return fd
	}
	partly := func(seals int) func(t *testing.T) int {
		return func(t *testing.T) int {
			fd := plain(unix.MFD_ALLOW_SEALING, "forged")(t)
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
				t.Fatal(err)
			}
			return fd
		}
	}
	file := func(t *testing.T) int {
		path := filepath.Join(shortDir(t), "f")
		testkit.Check(t, os.WriteFile(path, []byte("forged"), 0o600))
		fd := testkit.Must(unix.Open(path, unix.O_RDONLY, 0))(t)
		return fd
	}
	for name, tc := range map[string]struct {
		make func(t *testing.T) int
		uid  int
		want string
	}{
		"a sealed one":                  {make: sealed, uid: os.Geteuid()},
		"another user's":                {make: sealed, uid: os.Geteuid() + 1, want: "made the memory file"},
		"one that may change":           {make: plain(unix.MFD_ALLOW_SEALING, "forged"), uid: os.Geteuid(), want: "not sealed"},
		"one that cannot be sealed":     {make: plain(0, "forged"), uid: os.Geteuid(), want: "not sealed"},
		"one whose seals can be added":  {make: partly(unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK), uid: os.Geteuid(), want: "not sealed"},
		"one that can be written":       {make: partly(unix.F_SEAL_SEAL | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK), uid: os.Geteuid(), want: "not sealed"},
		"a regular file":                {make: file, uid: os.Geteuid(), want: "not a memory file"},
		"an empty one":                  {make: func(t *testing.T) int { fd, _ := newMemFile("x", nil); return fd }, uid: os.Geteuid(), want: "0 bytes"},
		"one larger than is ever saved": {make: func(t *testing.T) int { fd, _ := newMemFile("x", make([]byte, MaxBlob+1)); return fd }, uid: os.Geteuid(), want: "bytes, want 1 to"},
	} {
		t.Run(name, func(t *testing.T) {
			fd := tc.make(t)
			defer unix.Close(fd)
			blob, err := readMemFile(fd, tc.uid)
			if tc.want == "" {
				if err != nil || string(blob) != "good" {
					t.Errorf("got %q, %v", blob, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || blob != nil {
				t.Errorf("got %q, %v; want an error that says %q", blob, err, tc.want)
			}
		})
	}
}

func TestASealedMemoryFileCannotBeChanged(t *testing.T) {
	fd := testkit.Must(newMemFile("x", []byte("good")))(t)
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, []byte("bad"), 0); err == nil {
		t.Error("it can be written")
	}
	if err := unix.Ftruncate(fd, 1); err == nil {
		t.Error("it can be cut")
	}
}

func TestAForgedBlobIsPassedOverForTheOneBeforeIt(t *testing.T) {
	s := newStore(t, filepath.Join(shortDir(t), "n"))
	mustSave(t, mustSlot(t, s.restarted(t)), "good")
	fd := testkit.Must(unix.MemfdCreate("x", 0))(t)
	m := s.restarted(t)
	m.inherited = append(m.inherited, descriptor{fd, "local-keks.99"})
	mustLoad(t, mustSlot(t, m), "good")

	fd = testkit.Must(unix.MemfdCreate("x", 0))(t)
	alone := &Manager{notify: "/nowhere", inherited: []descriptor{{fd, "local-keks.99"}}}
	if blob, err := mustSlot(t, alone).Load(); blob != nil || err == nil || !strings.Contains(err.Error(), "local-keks.99") {
		t.Errorf("a forged one alone: %q, %v", blob, err)
	}
}

func TestAStoreThatCannotWorkIsRefusedBeforeAnythingIsKept(t *testing.T) {
	if _, err := (&Manager{}).Slot("local-keks"); !errors.Is(err, ErrNoManager) || !strings.Contains(err.Error(), "NOTIFY_SOCKET") {
		t.Errorf("without a manager: %v", err)
	}
	if _, err := (&Manager{notify: "/n", storeMax: 1}).Slot("local-keks"); err == nil || !strings.Contains(err.Error(), "FileDescriptorStoreMax=") {
		t.Errorf("with room for one: %v", err)
	}
	for _, name := range []string{"", "a:b", "A", "a.b", strings.Repeat("a", 65)} {
		if _, err := (&Manager{notify: "/n"}).Slot(name); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
	slot := mustSlot(t, newStore(t, filepath.Join(shortDir(t), "n")).restarted(t))
	for _, size := range []int{0, MaxBlob + 1} {
		if err := slot.Save(make([]byte, size)); err == nil {
			t.Errorf("%d bytes are accepted", size)
		}
	}
	gone := mustSlot(t, &Manager{notify: filepath.Join(shortDir(t), "n")})
	if err := gone.Save([]byte("x")); err == nil || !strings.Contains(err.Error(), "notify the service manager") {
		t.Errorf("to a manager that is gone: %v", err)
	}
}

func TestAStatusIsOneLineWhateverItSays(t *testing.T) {
	s := newStore(t, filepath.Join(shortDir(t), "n"))
	m := s.restarted(t)
	testkit.Check(t, errors.Join(m.Ready("serving\nFDSTOREREMOVE=1"), m.Status(strings.Repeat("é", 200)), m.Stopping()))
	want := []string{"READY=1\nSTATUS=serving FDSTOREREMOVE=1", "STATUS=" + strings.Repeat("é", 128), "STOPPING=1"}
	if got := s.sent(t); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestNoCopyOfABlobStaysBehindInADescriptor(t *testing.T) {
	s := newStore(t, filepath.Join(shortDir(t), "n"))
	mustSave(t, mustSlot(t, s.restarted(t)), "needle in a memory file")
	mustLoad(t, mustSlot(t, s.restarted(t)), "needle in a memory file")
	s.settle(t)
	s.mu.Lock()
	held := len(s.kept)
	s.mu.Unlock()
	entries := testkit.Must(os.ReadDir("/proc/self/fd"))(t)
	found := 0
	for _, e := range entries {
		link, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if !strings.HasPrefix(link, "/memfd:local-keks") {
			continue
		}
		if data, _ := os.ReadFile("/proc/self/fd/" + e.Name()); bytes.Contains(data, []byte("needle")) {
			found++
		}
	}
	if found != held {
		t.Errorf("%d descriptors hold the blob, the store has %d of them", found, held)
	}
}
