package hostfacts

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUserIDsAreTrustedOnlyWhereTheyMeanWhatTheySay(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"the first namespace":              {"         0          0 4294967295\n", true},
		"a container that is mapped":       {"         0     100000      65536\n", false},
		"one that maps itself to root":     {"         0       1000          1\n", false},
		"the identity, but not all of it":  {"         0          0      65536\n", false},
		"the identity in two parts":        {"0 0 1000\n1000 1000 4294966295\n", false},
		"a namespace without a map so far": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := identityMap(tc.text); got != tc.want {
				t.Errorf("identityMap(%q) = %v", tc.text, got)
			}
		})
	}
}

func TestTheFirstClassThatAProcessBelongsToDecides(t *testing.T) {
	someone := Rights{UID: 990, GIDs: []int{990, 100}}
	for name, tc := range map[string]struct {
		rights   Rights
		mode     fs.FileMode
		uid, gid int
		want     bool
	}{
		"its own file":                             {someone, 0o400, 990, 0, true},
		"its own, which it may not read":           {someone, 0o044, 990, 990, false},
		"its group's":                              {someone, 0o040, 0, 990, true},
		"that of a supplementary group":            {someone, 0o040, 0, 100, true},
		"its group's, which others may read":       {someone, 0o004, 0, 100, false},
		"another user's, for all":                  {someone, 0o004, 0, 0, true},
		"root's, for root":                         {someone, 0o600, 0, 0, false},
		"anybody's, where permissions do not bind": {Rights{Unbound: true}, 0, 1, 1, true},
		"root's own, without a capability":         {Rights{}, 0o400, 0, 0, true},
		"another's, for root without a capability": {Rights{}, 0o600, 990, 990, false},
	} {
		if got := tc.rights.May(MayRead, Path{Mode: tc.mode, UID: tc.uid, GID: tc.gid}); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRightsAreThoseOfTheProcess(t *testing.T) {
	proc := t.TempDir()
	status := func(pid int, text string) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		for _, err := range []error{os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "status"), []byte(text), 0o600)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	status(7, "Name:\tx\nUid:\t1\t2\t3\t997\nGid:\t1\t2\t3\t996\nGroups:\t990 100 \nVmLck:\t     8 kB\nCapEff:\t0000000000000002\n")
	status(8, "Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCapEff:\t0000000000000001\n")
	status(9, "Name:\txy\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
	status(10, "Name:\tx\nUid:\tdamaged\n")
	got, err := ProcessesNamed(proc, "x")
	want := []Process{
		{PID: 7, Rights: Rights{UID: 997, GIDs: []int{996, 990, 100}, Unbound: true}, LockedKB: 8, Root: filepath.Join(proc, "7/root")},
		{PID: 8, Rights: Rights{GIDs: []int{0}}, Root: filepath.Join(proc, "8/root")},
	}
	slices.SortFunc(got, func(a, b Process) int { return a.PID - b.PID })
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
}

func TestThisProcessIsFound(t *testing.T) {
	own, err := ReadProcess(Proc, os.Getpid())
	if err != nil || own.UID != os.Geteuid() || !slices.Contains(own.GIDs, os.Getegid()) {
		t.Errorf("%+v, %v", own, err)
	}
	if CheckUserIDs() != nil {
		return // in a user namespace nothing can be told
	}
	if rights, err := OwnRights(); err != nil || rights.UID != own.UID {
		t.Errorf("%+v, %v", rights, err)
	}
	if _, err := ReadProcess(Proc, 1<<30); err == nil {
		t.Error("a process that does not exist")
	}
}
