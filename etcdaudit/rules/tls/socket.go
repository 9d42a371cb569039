package tls

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

const socketWithoutTLS = "a unix socket without TLS: the owner and mode of its file decide which processes can use it"

// plainSocket reports whether the address is a unix socket without TLS.
func (a at) plainSocket() bool { return strings.HasPrefix(a.l.URL, "unix:") }

// judgeSocket says who can connect to a unix socket without TLS: who may write to its file,
// and may pass each directory on the way (unix(7)).
func (a at) judgeSocket() check.Result {
	const do = "let etcd listen at a path in a directory that only root and etcd's user can enter (mode 0700): etcd makes the socket anew at each start, with the mode that its umask leaves"
	s := a.l.Socket
	switch {
	case s == nil:
		return check.Unevaluated("", socketWithoutTLS+", and they were not read", "run etcdaudit as root on the node of this etcd")
	case s.Err != "":
		return check.Unevaluated("", socketWithoutTLS+": "+s.Err, "run etcdaudit as root on the node of this etcd")
	case !s.Exists || s.Mode.Type() != fs.ModeSocket:
		return check.Unevaluated("", "there is no socket at this path now", "run etcdaudit while this etcd runs")
	}
	seen := fmt.Sprintf("%s %s, uid %d, gid %d", s.Kind(), s.Mode.Perm(), s.UID, s.GID)
	for i, dir := range s.Way {
		seen += fmt.Sprintf("; directory %d of the way: %s, uid %d, gid %d", i+1, dir.Mode, dir.UID, dir.GID)
	}
	evidence := check.Evidence{Source: a.l.URL, Seen: seen}
	// One directory that only its owner may enter closes the way for all others.
	open := !slices.ContainsFunc(s.Way, func(dir hostfacts.Path) bool {
		return dir.Mode.Perm()&0o001 == 0 && (dir.Mode.Perm()&0o010 == 0 || dir.GID == 0)
	})
	strange := slices.IndexFunc(s.Way, func(dir hostfacts.Path) bool { return dir.UID != 0 && dir.UID != s.UID })
	switch {
	case open && s.Mode.Perm()&0o002 != 0:
		return with(check.Warned("", fmt.Sprintf("a unix socket without TLS, of mode %s: each user of the node can use it", s.Mode.Perm()), do), evidence)
	case open && s.Mode.Perm()&0o020 != 0 && s.GID != 0:
		return with(check.Warned("", fmt.Sprintf("a unix socket without TLS, of mode %s: each user in group %d can use it", s.Mode.Perm(), s.GID), do), evidence)
	case strange >= 0:
		return with(check.Warned("", fmt.Sprintf("a unix socket without TLS; directory %d of the way belongs to uid %d, who can open it to others", strange+1, s.Way[strange].UID), do), evidence)
	case s.UID == 0:
		return with(check.Passed("", "a unix socket without TLS, which only root can use"), evidence)
	case a.etcd == nil || a.etcd.Process == nil:
		return with(check.Unevaluated("", fmt.Sprintf("a unix socket without TLS, which root and uid %d can use; whether etcd runs as that user is not known", s.UID), "run etcdaudit all as root on the node of this etcd"), evidence)
	case a.etcd.Process.UID != s.UID:
		return with(check.Warned("", fmt.Sprintf("a unix socket without TLS, of uid %d, and etcd runs as uid %d", s.UID, a.etcd.Process.UID), do), evidence)
	}
	return with(check.Passed("", fmt.Sprintf("a unix socket without TLS, which only root and etcd's user (uid %d) can use", s.UID)), evidence)
}
