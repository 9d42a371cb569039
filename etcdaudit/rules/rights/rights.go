// Package rights judges owners, groups and modes of directories, for rules of every group.
// They are numbers: names differ between containers and nodes.
package rights

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Membership is what a group is to the programs that use a file.
type Membership uint8

const (
	// Own is root's group, or one of a program's.
	Own Membership = iota
	// Unknown is a group that may be one of a program whose process was not read.
	Unknown
	// Foreign is any other.
	Foreign
)

// Group says what a group is to root and these programs.
func Group(gid int, users []facts.User) Membership {
	switch {
	case gid == 0 || slices.ContainsFunc(users, func(u facts.User) bool { return slices.Contains(u.GIDs, gid) }):
		return Own
	case slices.ContainsFunc(users, func(u facts.User) bool { return u.UID < 0 }):
		return Unknown
	}
	return Foreign
}

// Unknowable is the result where only a process would show whether a user or group is right.
func Unknowable(said string) check.Result {
	r := check.Unevaluated("", said, "run etcdaudit host on the running node, as root")
	r.Expected = true
	return r
}

// Directory judges a directory on the way to something that root and these programs use. A
// user who can write to it puts something else into its place; so can its owner, whatever its
// mode.
func Directory(dir hostfacts.Path, name string, users ...facts.User) check.Result {
	var owners []int
	for _, u := range users {
		owners = append(owners, u.UID)
	}
	group := Own
	if dir.Mode.Perm()&0o020 != 0 {
		group = Group(dir.GID, users)
	}
	switch {
	case dir.Err != "" || !dir.Exists:
		return check.Unevaluated("", fmt.Sprintf("%s could not be inspected: %s", name, cmp.Or(dir.Err, "it is not there")), "run etcdaudit as root")
	case dir.Mode.Perm()&0o002 != 0 && dir.Mode&fs.ModeSticky == 0:
		return check.Failed("", fmt.Sprintf("%s can be written by everyone (%s)", name, dir.Mode), "chmod o-w "+name)
	case dir.UID != 0 && slices.Contains(owners, -1) && !slices.Contains(owners, dir.UID):
		return Unknowable(fmt.Sprintf("%s belongs to uid %d; which uid its program runs as is not known", name, dir.UID))
	case dir.UID != 0 && !slices.Contains(owners, dir.UID):
		return check.Failed("", fmt.Sprintf("%s belongs to uid %d, which is %s", name, dir.UID, neither(owners)), "chown root "+name)
	case dir.Mode.Perm()&0o002 != 0:
		return check.Warned("", fmt.Sprintf("%s can be written by everyone (%s): as long as it is not there another process can take its place", name, dir.Mode), "use a directory of its own, such as one below /run or /var/lib")
	case group == Unknown:
		return Unknowable(fmt.Sprintf("%s can be written by group %d; which groups its program has is not known", name, dir.GID))
	case group == Foreign:
		return check.Warned("", fmt.Sprintf("%s can be written by group %d (%s)", name, dir.GID, dir.Mode), "chmod g-w "+name)
	}
	return check.Passed("", name)
}

// neither says whom a directory does not belong to.
func neither(owners []int) string {
	var uids []string
	for _, uid := range owners {
		if uid > 0 {
			uids = append(uids, fmt.Sprintf("uid %d", uid))
		}
	}
	if len(uids) == 0 {
		return "not root"
	}
	return "neither root nor " + strings.Join(uids, " nor ")
}
