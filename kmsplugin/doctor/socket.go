package doctor

import (
	"fmt"
	"io/fs"
	"strings"
)

func socketChecks() []check {
	return []check{
		{"KD-201", "socket directory", "whoever may write there can put a socket of their own in the plugin's place", checkSocketDir},
		{"KD-202", "socket", "without it the API server can neither write nor, once restarted, read Secrets", checkSocket},
		{"KD-203", "who may connect", "whoever may connect can have every stored seed decrypted", checkSocketAccess},
	}
}

func checkSocketDir(f Facts) []finding {
	d := f.Socket.Dir
	switch {
	case d.Err != "":
		return []finding{notEvaluated(f.Socket.Path, d.Err, "run it as root")}
	case !d.Exists:
		return []finding{fail(f.Socket.Path, "its directory does not exist", "make it, mode 0750, before the plugin starts (RuntimeDirectory= with systemd, DirectoryOrCreate with a static pod)")}
	case !d.Mode.IsDir():
		return []finding{fail(f.Socket.Path, "what should be its directory is a "+kind(d.Mode), "choose another socket.path")}
	case d.Mode.Perm()&0o002 != 0:
		return []finding{fail(f.Socket.Path, fmt.Sprintf("everybody may write to its directory (mode %04o)", d.Mode.Perm()), "chmod o-w, and use a directory of its own")}
	case f.Node.Plugin != nil && d.UID != 0 && d.UID != f.Node.Plugin.UID:
		return []finding{warn(f.Socket.Path, fmt.Sprintf("its directory belongs to %s, neither root nor the plugin's user (uid %d)", d.Owner, f.Node.Plugin.UID), "chown it to the plugin's user")}
	default:
		return []finding{pass(f.Socket.Path, fmt.Sprintf("its directory has mode %04o and belongs to %s", d.Mode.Perm(), d.Owner))}
	}
}

func checkSocket(f Facts) []finding {
	s := f.Socket
	switch {
	case s.Listens:
		return []finding{pass(s.Path, "a process listens on it")}
	case s.File.Err != "":
		return []finding{notEvaluated(s.Path, s.File.Err, "run it as root")}
	case !s.File.Exists:
		return []finding{fail(s.Path, "there is none", "start the plugin, or correct socket.path")}
	case s.File.Mode.Type() != fs.ModeSocket:
		return []finding{fail(s.Path, "a "+kind(s.File.Mode)+" lies there; the plugin leaves it alone and does not start", "find out whose it is, and remove it")}
	case s.Stale:
		return []finding{fail(s.Path, "nobody listens on it: the plugin that made it has ended", "start the plugin; it replaces a stale socket itself")}
	default:
		return []finding{notEvaluated(s.Path, s.ConnectErr, "run it as root or as a member of the socket's group")}
	}
}

func checkSocketAccess(f Facts) []finding {
	s := f.Socket
	if !s.File.Exists || s.File.Mode.Type() != fs.ModeSocket {
		return []finding{notEvaluated(s.Path, "there is no socket", "start the plugin, then ask again")}
	}
	who := s.File.Owner
	mode := s.File.Mode.Perm()
	if mode&0o020 != 0 {
		who += ", group " + s.Group
		if len(s.Members) > 0 {
			who += " (" + strings.Join(s.Members, ", ") + ")"
		}
	}
	if mode&0o002 != 0 {
		return []finding{fail(s.Path, fmt.Sprintf("everybody (mode %04o)", mode), "set socket.mode: \"0660\"")}
	}
	if len(s.Members) > 0 && mode&0o020 != 0 {
		return []finding{warn(s.Path, fmt.Sprintf("root, %s (mode %04o)", who, mode), "keep the group to the API server's user; people do not belong into it")}
	}
	return []finding{pass(s.Path, fmt.Sprintf("root, %s (mode %04o)", who, mode))}
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeSocket:
		return "socket"
	default:
		return "file of another type"
	}
}
