package files

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// kept is one file or directory of the node.
type kept struct {
	facts.Kept
	users []facts.User
}

// ofKept evaluates a rule for every file and directory of the node that it is about.
func ofKept(r check.Rule[kept], about func(facts.Kept) bool, none string) check.Rule[facts.Facts] {
	of := func(f facts.Facts) (subjects []check.Subject[kept]) {
		for _, k := range f.Host.Kept {
			if about(k) {
				one := kept{Kept: k, users: users(f.Host, k)}
				subjects = append(subjects, check.Subject[kept]{Target: term.Printable(k.Path), Identity: []string{f.Host.Node, k.Path}, Facts: one, Evidence: one.evidence()})
			}
		}
		return subjects
	}
	all := check.ForEach(r, of)
	all.Needs = []check.Need[facts.Facts]{need.Host, own, func(f facts.Facts) (check.Result, bool) {
		return check.Unevaluated("", none+" was found on this node", "run etcdaudit host as root on each node of the control plane"), len(of(f)) > 0
	}}
	return all
}

// own is not met where owners, modes and times are those of a copy.
func own(f facts.Facts) (check.Result, bool) {
	return check.Unevaluated("", f.Host.Copied, "mount the node's own file system, or run etcdaudit host on the node"), f.Host.Copied == ""
}

// users are the programs that need a file. Of one that no configuration names, such as a
// certificate for health checks, it may be any of them; manifests and units are read by root.
func users(h *facts.Host, k facts.Kept) []facts.User {
	if len(k.Users) > 0 || slices.Contains([]facts.Use{facts.ManifestUse, facts.UnitUse, facts.VariablesUse}, k.Use) {
		return k.Users
	}
	var all []facts.User
	for _, e := range h.Etcds {
		all = append(all, facts.UserOf(e.Name, e.Process))
	}
	for _, a := range h.APIServers {
		all = append(all, facts.UserOf(a.Name, a.Process))
	}
	return all
}

func (k kept) evidence() (all []check.Evidence) {
	all = append(all, check.Evidence{Source: term.Printable(k.Path), Seen: fmt.Sprintf("%s: %s, uid %d, gid %d", k.Use, k.File.Mode, k.File.UID, k.File.GID)})
	for _, u := range k.users {
		if u.UID >= 0 {
			all = append(all, check.Evidence{Source: term.Printable(u.Name), Seen: fmt.Sprintf("uid %d, gid %d", u.UID, u.GID)})
		}
	}
	return all
}

// inspected is not met where nothing is known of the file.
func inspected(k kept) (check.Result, bool) {
	return check.Unevaluated("", "it could not be inspected: "+cmp.Or(k.File.Err, "it is not there"), "run etcdaudit as root"), k.File.Err == "" && k.File.Exists
}

// owned says what is wrong with the owner, which can change the mode. ok is true if it is root
// or a user that needs the file.
func (k kept) owned() (r check.Result, ok bool) {
	uid := k.File.UID
	if uid == 0 || slices.ContainsFunc(k.users, func(u facts.User) bool { return u.UID == uid }) {
		return r, true
	}
	if i := slices.IndexFunc(k.users, func(u facts.User) bool { return u.UID < 0 }); i >= 0 {
		r = check.Unevaluated("", fmt.Sprintf("it belongs to uid %d; which uid %s runs as is not known", uid, term.Printable(k.users[i].Name)), "run etcdaudit host on the running node, as root")
		r.Expected = true
		return r, false
	}
	return check.Failed("", fmt.Sprintf("it belongs to uid %d, which is neither root nor a user of the control plane that needs it", uid), "chown root "+k.Path), false
}

// foreignGroup reports whether the group is neither root's nor one of a program that needs
// the file.
func (k kept) foreignGroup() bool {
	return k.File.GID != 0 && !slices.ContainsFunc(k.users, func(u facts.User) bool { return u.GID == k.File.GID })
}

// shut is the directory on the way that others cannot enter, whatever the mode of the file;
// empty if there is none.
func (k kept) shut() string {
	for _, dir := range k.Way {
		if dir.Exists && dir.Mode.Perm()&0o001 == 0 {
			return dir.Name
		}
	}
	return ""
}

// onlyWrittenByOwners judges who can change a file.
func (k kept) onlyWrittenByOwners() check.Result {
	mode := k.File.Mode.Perm()
	if r, ok := k.owned(); !ok {
		return r
	}
	switch {
	case mode&0o002 != 0 && k.shut() != "":
		return check.Warned("", fmt.Sprintf("its mode is %04o, and only %s keeps others from writing it", mode, k.shut()), "chmod o-w "+k.Path)
	case mode&0o002 != 0:
		return check.Failed("", fmt.Sprintf("its mode is %04o: everyone can write it", mode), "chmod o-w "+k.Path)
	case mode&0o020 != 0 && k.foreignGroup():
		return check.Failed("", fmt.Sprintf("its mode is %04o: group %d can write it", mode, k.File.GID), "chmod g-w "+k.Path)
	}
	return check.Passed("", fmt.Sprintf("%04o, uid %d", mode, k.File.UID))
}

// onlyReadByOwners judges who can read a file or directory, and change it.
func (k kept) onlyReadByOwners() check.Result {
	written := k.onlyWrittenByOwners()
	mode, everyone, group := k.File.Mode.Perm(), fs.FileMode(0o004), fs.FileMode(0o040)
	if k.File.Mode.IsDir() {
		everyone, group = 0o005, 0o050
	}
	tight := fmt.Sprintf("chmod 0%o %s", mode&0o700, k.Path)
	switch {
	case written.Status > check.Warn:
		return written
	case mode&everyone != 0 && k.shut() == "":
		return check.Failed("", fmt.Sprintf("its mode is %04o: everyone can read it", mode), tight)
	case written.Status != check.Pass:
		return written
	case mode&everyone != 0:
		return check.Passed("", fmt.Sprintf("%04o, uid %d, in %s, which others cannot enter", mode, k.File.UID, k.shut()))
	case mode&group != 0 && k.foreignGroup():
		return check.Warned("", fmt.Sprintf("its mode is %04o: group %d can read it", mode, k.File.GID), tight)
	}
	return written
}
