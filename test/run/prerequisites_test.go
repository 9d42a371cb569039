package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needed are the programs that test/prerequisites looks for.
func needed() []string { return []string{"go", "gcc", "git", "systemd-analyze", "ssh-keygen"} }

// bareMachine is a directory of programs that stand for all that a machine has: shell
// scripts, since the real ones would be installed here.
type bareMachine struct {
	t   *testing.T
	dir string
}

// newMachine makes one with every needed program except some, where the user has
// the given id.
func newMachine(t *testing.T, uid string, without ...string) bareMachine {
	t.Helper()
	m := bareMachine{t: t, dir: t.TempDir()}
	for _, name := range needed() {
		if !slices.Contains(without, name) {
			m.add(name, "exit 0")
		}
	}
	m.add("id", "echo "+uid)
	return m
}

func (m bareMachine) add(name, script string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// addAPT adds an apt-get that notes its arguments in the machine's file "calls", and
// then runs a script.
func (m bareMachine) addAPT(script string) {
	m.t.Helper()
	m.add("apt-get", `echo "$@" >>'`+m.calls()+"'\n"+script)
}

func (m bareMachine) calls() string { return filepath.Join(m.dir, "calls") }

// check runs test/prerequisites there and returns what it says, what apt-get was
// called with, and the exit status.
func (m bareMachine) check() (said, installed string, status int) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "../prerequisites")
	cmd.Env = []string{"PATH=" + m.dir}
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		m.t.Fatal(err)
	}
	calls, err := os.ReadFile(m.calls())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	return string(out), string(calls), status
}

func TestAMachineThatHasEverythingIsLeftAlone(t *testing.T) {
	m := newMachine(t, "0")
	m.addAPT("exit 1")
	if said, installed, status := m.check(); said != "" || installed != "" || status != 0 {
		t.Errorf("status %d, installed %q, and said %q", status, installed, said)
	}
}

func TestRootGetsWhatIsMissingInstalledAndIsToldFirst(t *testing.T) {
	m := newMachine(t, "0", "systemd-analyze", "ssh-keygen")
	m.addAPT(`echo "apt-get runs"; [ "$3" = update ] || {
		echo '#!/bin/sh' >'` + m.dir + `/systemd-analyze'; /bin/cp '` + m.dir + `/systemd-analyze' '` + m.dir + `/ssh-keygen'
		/bin/chmod +x '` + m.dir + `/systemd-analyze' '` + m.dir + `/ssh-keygen'; }`)
	said, installed, status := m.check()
	if status != 0 {
		t.Errorf("status %d: %s", status, said)
	}
	if want := "-o DPkg::Lock::Timeout=300 update -qq\ninstall --yes --no-install-recommends systemd openssh-client -o DPkg::Lock::Timeout=300 -qq\n"; installed != want {
		t.Errorf("apt-get was called with\n%swant\n%s", installed, want)
	}
	before, _, _ := strings.Cut(said, "apt-get runs")
	if want := "not installed: systemd-analyze ssh-keygen; this installs them: apt-get update && apt-get install --yes --no-install-recommends systemd openssh-client"; !strings.Contains(before, want) {
		t.Errorf("before apt-get ran, it said %q, want %q in it", before, want)
	}
}

func TestWhereNothingCanBeInstalledTheCommandIsNamed(t *testing.T) {
	failing := func(m bareMachine) { m.addAPT("echo 'E: no network'; exit 100") }
	for name, tc := range map[string]struct {
		uid     string
		without []string
		prepare func(bareMachine)
		calls   string   // of apt-get
		says    []string // parts of what is said
	}{
		"no root": {
			uid: "1000", without: []string{"ssh-keygen"}, prepare: failing,
			says: []string{"not installed: ssh-keygen; run as root: apt-get update && apt-get install --yes --no-install-recommends openssh-client\n"},
		},
		"no root, more than one": {
			uid: "1000", without: []string{"gcc", "systemd-analyze"}, prepare: failing,
			says: []string{"not installed: gcc systemd-analyze;", "apt-get install --yes --no-install-recommends gcc libc6-dev systemd\n"},
		},
		"a compiler without a C library": {
			uid: "1000", prepare: func(m bareMachine) { failing(m); m.add("gcc", "exit 1") },
			says: []string{"not installed: stdlib.h; run as root: apt-get update && apt-get install --yes --no-install-recommends libc6-dev\n"},
		},
		"no apt": {
			uid: "0", without: []string{"git"}, prepare: func(bareMachine) {},
			says: []string{"not installed: git; install what brings them (Debian's packages: git)"},
		},
		"no Go": {
			uid: "0", without: []string{"go", "git"}, prepare: failing,
			says: []string{"go is not installed", "https://go.dev/dl/"},
		},
		"apt fails": {
			uid: "0", without: []string{"git"}, prepare: failing, calls: "-o DPkg::Lock::Timeout=300 update -qq\n",
			says: []string{"E: no network", "apt-get failed; nothing was compiled"},
		},
		"the package does not bring it": {
			uid: "0", without: []string{"git"}, prepare: func(m bareMachine) { m.addAPT("exit 0") },
			calls: "-o DPkg::Lock::Timeout=300 update -qq\ninstall --yes --no-install-recommends git -o DPkg::Lock::Timeout=300 -qq\n",
			says:  []string{"git is still not found after: apt-get install"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, tc.uid, tc.without...)
			tc.prepare(m)
			said, installed, status := m.check()
			if status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			if installed != tc.calls {
				t.Errorf("apt-get was called with %q, want %q", installed, tc.calls)
			}
			for _, want := range tc.says {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, want %q in it", said, want)
				}
			}
		})
	}
}

func TestMakeTestLooksForItsProgramsBeforeItCompiles(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "make", "--dry-run", "-C", "../..", "test").Output()
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(out), "go run")
	if !found || !strings.Contains(before, "test/prerequisites") {
		t.Errorf("make test runs\n%s", out)
	}
}
