package files

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/rules/rights"
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
			all = append(all, check.Evidence{Source: term.Printable(u.Name), Seen: fmt.Sprintf("uid %d, gids %v", u.UID, u.GIDs)})
		}
	}
	return all
}

// inspected is not met where nothing is known of the file.
func inspected(k kept) (check.Result, bool) {
	return check.Unevaluated("", "it could not be inspected: "+cmp.Or(k.File.Err, "it is not there"), "run etcdaudit as root"), k.File.Err == "" && k.File.Exists
}

// owner judges the owner, who can change the mode: root, or a user that needs the file.
func (k kept) owner() check.Result {
	uid := k.File.UID
	if uid == 0 || slices.ContainsFunc(k.users, func(u facts.User) bool { return u.UID == uid }) {
		return check.Passed("", fmt.Sprintf("%04o, uid %d", k.File.Mode.Perm(), uid))
	}
	if i := slices.IndexFunc(k.users, func(u facts.User) bool { return u.UID < 0 }); i >= 0 {
		return rights.Unknowable(fmt.Sprintf("it belongs to uid %d; which uid %s runs as is not known", uid, term.Printable(k.users[i].Name)))
	}
	return check.Failed("", fmt.Sprintf("it belongs to uid %d, which is neither root nor a user of the control plane that needs it", uid), "chown root "+k.Path)
}

// barrier is a directory above a file that others cannot enter, whatever the mode of the file.
type barrier struct {
	name string
	// group can enter it; what it is to the file's users is Own where it cannot.
	group int
	is    rights.Membership
}

// barrier returns the directory that keeps out most; nil if there is none. What a link leads
// away from does not lie above the file.
func (k kept) barrier() (best *barrier) {
	for _, dir := range k.Way {
		if dir.Beside || !dir.Exists || dir.Mode.Perm()&0o001 != 0 {
			continue
		}
		b := barrier{name: dir.Name, group: dir.GID}
		if dir.Mode.Perm()&0o010 != 0 {
			b.is = rights.Group(dir.GID, k.users)
		}
		if best == nil || b.is < best.is {
			best = &b
		}
	}
	return best
}

// written judges who can change a file.
func (k kept) written() check.Result {
	mode, shut := k.File.Mode.Perm(), k.barrier()
	others, byGroup := "chmod o-w "+k.Path, check.Result{}
	if mode&0o020 != 0 {
		byGroup = k.byGroup("write", check.Failed, "chmod g-w "+k.Path)
	}
	switch {
	case mode&0o002 != 0 && shut == nil:
		return check.Failed("", fmt.Sprintf("its mode is %04o: everyone can write it", mode), others)
	case mode&0o002 != 0 && shut.is == rights.Foreign:
		return check.Failed("", fmt.Sprintf("its mode is %04o, and %s lets group %d in, which can write it", mode, shut.name, shut.group), others)
	case mode&0o002 != 0:
		byEveryone := check.Warned("", fmt.Sprintf("its mode is %04o, and only %s keeps others from writing it", mode, shut.name), others)
		return worse(byEveryone, worse(byGroup, k.owner()))
	}
	return worse(k.owner(), byGroup)
}

// byGroup judges what the mode of a file lets its group do: a finding if that is a foreign one.
func (k kept) byGroup(do string, finding func(target, summary, remedy string) check.Result, remedy string) check.Result {
	mode, gid := k.File.Mode.Perm(), k.File.GID
	switch rights.Group(gid, k.users) {
	case rights.Foreign:
		return finding("", fmt.Sprintf("its mode is %04o: group %d can %s it", mode, gid, do), remedy)
	case rights.Unknown:
		return rights.Unknowable(fmt.Sprintf("its mode is %04o: group %d can %s it; which groups its program has is not known", mode, gid, do))
	}
	return check.Result{}
}

// read judges who can read a file or directory, and change it.
func (k kept) read() check.Result {
	mode, everyone, group := k.File.Mode.Perm(), fs.FileMode(0o004), fs.FileMode(0o040)
	if k.File.Mode.IsDir() {
		everyone, group = 0o005, 0o050
	}
	tight := fmt.Sprintf("chmod 0%o %s", mode&0o700, k.Path)
	written, shut := k.written(), k.barrier()
	switch {
	case mode&everyone == 0 && mode&group != 0:
		return worse(written, k.byGroup("read", check.Warned, tight))
	case mode&everyone == 0:
		return written
	case shut == nil:
		return worse(written, check.Failed("", fmt.Sprintf("its mode is %04o: everyone can read it", mode), tight))
	case shut.is == rights.Foreign:
		return worse(written, check.Warned("", fmt.Sprintf("its mode is %04o, and %s lets group %d in, which can read it", mode, shut.name, shut.group), tight))
	case shut.is == rights.Unknown:
		return worse(written, rights.Unknowable(fmt.Sprintf("its mode is %04o, and %s lets group %d in; which groups its program has is not known", mode, shut.name, shut.group)))
	}
	if written.Status == check.Pass {
		written.Summary += fmt.Sprintf(", in %s, which others cannot enter", shut.name)
	}
	return written
}

// worse returns the result that counts more, the first of two that count the same.
func worse(a, b check.Result) check.Result {
	if b.Status > a.Status {
		return b
	}
	return a
}
