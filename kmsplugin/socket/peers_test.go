package socket

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/testkit"
)

// callAs makes this test binary a caller of the socket that it names.
const callAs = "SEALPROOF_TEST_CALL"

func TestMain(m *testing.M) {
	path := os.Getenv(callAs)
	if path == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_, err = io.Copy(os.Stdout, conn)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error())
	}
	os.Exit(0)
}

func TestOnlyListedUsersMayTalk(t *testing.T) {
	own := strconv.Itoa(os.Geteuid())
	other := strconv.Itoa(os.Geteuid() + 1)
	for name, tc := range map[string]struct {
		users   []string
		served  bool
		refused int64
	}{
		"no user is listed, so permissions alone decide": {nil, true, 0},
		"our own number":               {[]string{other, own}, true, 0},
		"another's number":             {[]string{other}, false, 1},
		"another's name and number":    {[]string{notOwnName(), other}, false, 1},
		"our own number, twice listed": {[]string{own, own}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.AllowUIDs = tc.users
			var refused atomic.Int64
			var log bytes.Buffer
			l := testkit.Must(Listen(t.Context(), c, Host{Refused: func() { refused.Add(1) }, Log: slog.New(slog.NewTextHandler(&log, nil))}))(t)
			if l.peers != nil {
				l.peers.own++ // the caller is another user
			}
			stop := serve(t, l, nil)
			got := dial(t, c.Path)()
			mustDrain(t, l)
			stop()
			if (got == "hello") != tc.served || refused.Load() != tc.refused {
				t.Errorf("the caller got %q, %d were refused", got, refused.Load())
			}
			if logged := strings.Contains(log.String(), "uid="+own); logged == tc.served {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func TestAPluginThatLooksForASuccessorIsNotCounted(t *testing.T) {
	c := config(t)
	c.AllowUIDs = []string{strconv.Itoa(os.Geteuid() + 1)}
	var refused atomic.Int64
	var log bytes.Buffer
	l := testkit.Must(Listen(t.Context(), c, Host{Refused: func() { refused.Add(1) }, Log: slog.New(slog.NewTextHandler(&log, nil))}))(t)
	stop := serve(t, l, nil)
	if !c.InUse(t.Context()) {
		t.Error("no process listens")
	}
	got := dial(t, c.Path)()
	mustDrain(t, l)
	stop()
	if got == "hello" || refused.Load() != 0 || strings.Count(log.String(), "level=INFO") != 1 {
		t.Errorf("a process of our own user got %q, %d were counted; log: %s", got, refused.Load(), log.String())
	}
}

// notOwnName is the name of a user that exists everywhere and is not us.
func notOwnName() string {
	if os.Geteuid() == 0 {
		return "nobody"
	}
	return "root"
}

// A process of another user needs root to be started; where the test is not
// root, it is the caller itself that is the other user, as above.
func TestAProcessOfAnotherUserIsTurnedAway(t *testing.T) {
	const other = 65534
	c := config(t)
	c.Mode = "0660"
	c.AllowUIDs = []string{strconv.Itoa(os.Geteuid())}
	l := mustListen(t, c)
	defer serve(t, l, nil)()
	call := func(credential *syscall.Credential) string {
		// A copy that any user may run.
		program := filepath.Join(filepath.Dir(c.Path), "caller")
		data := testkit.Must(os.ReadFile(os.Args[0]))(t)
		testkit.Check(t, os.WriteFile(program, data, 0o755))
		cmd := exec.Command(program)
		cmd.Env = []string{callAs + "=" + c.Path, "GORACE=atexit_sleep_ms=0"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got := call(nil); got != "hello" {
		t.Fatalf("a process of our own gets %q", got)
	}
	if os.Geteuid() != 0 {
		return
	}
	// Permissions would let it in.
	testkit.Check(t, os.Chmod(filepath.Dir(c.Path), 0o755))
	testkit.Check(t, os.Chown(c.Path, -1, other))
	if got := call(&syscall.Credential{Uid: other, Gid: other}); strings.Contains(got, "hello") || strings.Contains(got, "denied") {
		t.Errorf("another user's process gets %q, want to be let in by the permissions and turned away by the list", got)
	}
}

func TestUsersThatCannotBeAreRefusedAtTheStart(t *testing.T) {
	for _, name := range []string{"", "-1", "4294967295", "4294967296", "a b", "root:root", "/root"} {
		c := config(t)
		c.AllowUIDs = []string{name}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "allow-uids") {
			t.Errorf("%q: %v", name, err)
		}
	}
	c := config(t)
	c.AllowUIDs = []string{"no-such-user"}
	if err := c.Validate(); err != nil {
		t.Errorf("a name is looked up where the plugin runs: %v", err)
	}
	if _, err := Listen(t.Context(), c, Host{}); err == nil || !strings.Contains(err.Error(), "socket.allow-uids") {
		t.Errorf("an unknown user: %v", err)
	}
	if _, err := os.Lstat(c.Path); err == nil {
		t.Error("it has bound the socket nevertheless")
	}
}

func TestRefusalsAreReportedSeldomAndNoneIsForgotten(t *testing.T) {
	r := refusals{gap: time.Minute}
	start := time.Unix(1000, 0)
	for _, step := range []struct {
		at         time.Duration
		report     bool
		suppressed int
	}{
		{0, true, 0}, {1, false, 0}, {59 * time.Second, false, 0}, {60 * time.Second, true, 2},
		{61 * time.Second, false, 0}, {10 * time.Minute, true, 1}, {20 * time.Minute, true, 0},
	} {
		if suppressed, report := r.note(start.Add(step.at)); report != step.report || suppressed != step.suppressed {
			t.Errorf("after %v: report %v with %d suppressed, want %v with %d", step.at, report, suppressed, step.report, step.suppressed)
		}
	}
}
