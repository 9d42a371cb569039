package hostconfig

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// The test runs itself as a user who may not inspect the processes of root.
func TestWhereProcRefusesTheMissingRightIsNamed(t *testing.T) {
	const variable = "SEALPROOF_TEST_READ_AS_ANOTHER_USER"
	if os.Getenv(variable) != "" {
		h, err := Read(t.Context(), Options{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		h.Certificates = nil
		if err := json.NewEncoder(os.Stdout).Encode(h); err != nil {
			t.Fatal(err)
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Log("not root: every process of this user can be inspected, and none is started as another one")
		return
	}
	etcd := t.TempDir() + "/etcd" // a program of that name; nothing else of it can be seen
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(etcd, program, 0o700); err != nil {
		t.Fatal(err)
	}
	victim := exec.Command(etcd, "600")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { victim.Process.Kill(); victim.Wait() }()

	self := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	self.Env = append(os.Environ(), variable+"=1")
	self.Dir = "/"
	self.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := self.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, _, _ := strings.Cut(string(out), "\nPASS")
	var h facts.Host
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	i := slices.IndexFunc(h.Etcds, func(e facts.Etcd) bool { return e.Process != nil && e.Process.PID == victim.Process.Pid })
	if i < 0 {
		t.Fatalf("not found: %+v", h.Etcds)
	}
	e := h.Etcds[i]
	if !strings.Contains(e.Config.NotEvaluated, "CAP_SYS_PTRACE") || len(e.Bound) > 0 {
		t.Errorf("%q, %v", e.Config.NotEvaluated, e.Bound)
	}
	for _, what := range []string{"environ", "exe", "open sockets"} {
		if !slices.ContainsFunc(e.Process.Missing, func(m facts.Missing) bool {
			return strings.Contains(m.What, what) && strings.Contains(m.Do, "CAP_SYS_PTRACE")
		}) {
			t.Errorf("%s is not missing: %+v", what, e.Process.Missing)
		}
	}
}
