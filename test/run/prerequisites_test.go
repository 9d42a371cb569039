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

// machine is a directory with every program that a machine has: shell scripts, since
// the real ones would be installed here. apt-get notes its arguments in the file calls.
type machine struct {
	t   *testing.T
	dir string
}

// newMachine makes one that has what test/prerequisites looks for, except some, where
// the user has the given id. apt is the script of apt-get; without one there is none.
func newMachine(t *testing.T, uid, apt string, without ...string) machine {
	t.Helper()
	m := machine{t, t.TempDir()}
	for _, name := range []string{"go", "gcc", "git", "systemd-analyze", "ssh-keygen", "curl", "openssl", "chromium"} {
		if !slices.Contains(without, name) {
			m.add(name, "exit 0")
		}
	}
	m.add("id", "echo "+uid)
	if apt != "" {
		m.add("apt-get", `echo "$@" >>'`+m.dir+"/calls'\ncd '"+m.dir+"'\n"+apt)
	}
	return m
}

func (m machine) add(name, script string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// check runs test/prerequisites there and returns what it says, what apt-get was
// called with, and the exit status.
func (m machine) check() (said, installed string, status int) {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "../prerequisites")
	cmd.Env = []string{"PATH=" + m.dir}
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		m.t.Fatal(err)
	}
	calls, err := os.ReadFile(filepath.Join(m.dir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	return string(out), string(calls), cmd.ProcessState.ExitCode()
}

const update = "-o DPkg::Lock::Timeout=300 update -qq\n"

func TestRootGetsWhatIsMissingInstalledAndIsToldFirst(t *testing.T) {
	m := newMachine(t, "0", `echo "apt-get runs"; [ "$3" = update ] || /bin/cp -p gcc systemd-analyze && /bin/cp -p gcc ssh-keygen`,
		"systemd-analyze", "ssh-keygen")
	said, installed, status := m.check()
	if want := update + "install --yes --no-install-recommends systemd openssh-client -o DPkg::Lock::Timeout=300 -qq\n"; status != 0 || installed != want {
		t.Errorf("status %d: %s\napt-get was called with\n%swant\n%s", status, said, installed, want)
	}
	before, _, _ := strings.Cut(said, "apt-get runs")
	if want := "not installed: systemd-analyze ssh-keygen; this installs them: apt-get update && apt-get install --yes --no-install-recommends systemd openssh-client"; !strings.Contains(before, want) {
		t.Errorf("before apt-get ran, it said %q, want %q in it", before, want)
	}
	if said, installed, status := newMachine(t, "0", "exit 1").check(); said != "" || installed != "" || status != 0 {
		t.Errorf("with nothing missing: status %d, installed %q, and said %q", status, installed, said)
	}
}

func TestWhereNothingCanBeInstalledTheCommandIsNamed(t *testing.T) {
	const failing = "echo 'E: no network'; exit 100"
	noLibrary := newMachine(t, "1000", failing)
	noLibrary.add("gcc", "exit 1")
	for name, tc := range map[string]struct {
		m     machine
		calls string   // of apt-get
		says  []string // parts of what is said
	}{
		"no root": {newMachine(t, "1000", failing, "gcc", "systemd-analyze"), "",
			[]string{"not installed: gcc systemd-analyze; run as root: apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev systemd\n"}},
		"a compiler without a C library": {noLibrary, "",
			[]string{"not installed: stdlib.h; run as root: apt-get update && apt-get install --yes --no-install-recommends libc6-dev\n"}},
		"no apt": {newMachine(t, "0", "", "git"), "",
			[]string{"not installed: git; install what brings them (Debian's packages: git)"}},
		"no Go": {newMachine(t, "0", failing, "go", "git"), "",
			[]string{"go is not installed", "https://go.dev/dl/"}},
		"apt fails": {newMachine(t, "0", failing, "git"), update,
			[]string{"E: no network", "apt-get failed; nothing was compiled"}},
		"the package does not bring it": {newMachine(t, "0", "exit 0", "git"),
			update + "install --yes --no-install-recommends git -o DPkg::Lock::Timeout=300 -qq\n",
			[]string{"git is still not found after: apt-get install"}},
	} {
		said, installed, status := tc.m.check()
		if status != 1 || installed != tc.calls {
			t.Errorf("%s: status %d, and apt-get was called with %q, want %q", name, status, installed, tc.calls)
		}
		for _, want := range tc.says {
			if !strings.Contains(said, want) {
				t.Errorf("%s: said %q, want %q in it", name, said, want)
			}
		}
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
