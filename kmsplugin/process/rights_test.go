package process

import (
	"io/fs"
	"os"
	"slices"
	"testing"
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
		"somebody else's, for all":                 {someone, 0o004, 0, 0, true},
		"root's, for root":                         {someone, 0o600, 0, 0, false},
		"anybody's, where permissions do not bind": {Rights{Unbound: true}, 0, 1, 1, true},
		"root's own, without a capability":         {Rights{}, 0o400, 0, 0, true},
		"another's, for root without a capability": {Rights{}, 0o600, 990, 990, false},
	} {
		if got := tc.rights.May(0o4, tc.mode, tc.uid, tc.gid); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRightsAreThoseOfTheProcess(t *testing.T) {
	r := ParseRights("Name:\tx\nUid:\t1\t2\t3\t997\nGid:\t1\t2\t3\t996\nGroups:\t990 100 \nCapEff:\t0000000000000002\n")
	if r.UID != 997 || !slices.Equal(r.GIDs, []int{996, 990, 100}) || !r.Unbound {
		t.Errorf("%+v", r)
	}
	if r := ParseRights("Uid:\t0\t0\t0\t0\nCapEff:\t0000000000000001\n"); r.UID != 0 || r.Unbound {
		t.Errorf("%+v", r)
	}
	if CheckUserIDs() != nil {
		return // in a user namespace nothing can be told
	}
	own, err := OwnRights()
	if err != nil || own.UID != os.Geteuid() || !slices.Contains(own.GIDs, os.Getegid()) {
		t.Errorf("%+v, %v", own, err)
	}
}
