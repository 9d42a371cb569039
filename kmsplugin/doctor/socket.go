package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

func socketRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-201", Title: "socket directory", Why: "a user who may write there can replace the plugin's socket", Run: checkSocketDir},
		{ID: "KD-202", Title: "socket", Why: "without it the API server can neither write nor, once restarted, read Secrets", Run: checkSocket},
		{ID: "KD-203", Title: "who may connect", Why: "a process that may connect can have every stored seed decrypted", Run: checkSocketAccess},
		{ID: "KD-204", Title: "the API server may connect", Why: "otherwise it can neither write nor, once restarted, read Secrets", Run: checkAPIServerAccess},
	}
}

func checkSocketDir(f Facts) []check.Result {
	d := f.Socket.Dir
	switch {
	case d.Err != "":
		return []check.Result{check.Unevaluated(f.Socket.Path, d.Err, "run doctor as root")}
	case !d.Exists:
		return []check.Result{check.Failed(f.Socket.Path, "its directory does not exist", "create it at every boot: the socket unit does it with systemd (deploy/systemd/kmsplugin.socket), tmpfiles.d with a static pod (deploy/static-pod/tmpfiles.conf)")}
	case !d.Mode.IsDir():
		return []check.Result{check.Failed(f.Socket.Path, "the parent of socket.path is a "+d.Kind()+", not a directory", "choose another socket.path")}
	case d.Mode.Perm()&0o002 != 0:
		return []check.Result{check.Failed(f.Socket.Path, fmt.Sprintf("every user may write to its directory (mode %04o)", d.Mode.Perm()), "chmod o-w the directory, and use one for this socket only")}
	case f.Node.Rights != nil && d.UID != 0 && d.UID != f.Node.Rights.UID:
		return []check.Result{check.Warned(f.Socket.Path, fmt.Sprintf("its directory belongs to %s, neither root nor the plugin's user (uid %d)", d.Owner, f.Node.Rights.UID), "chown the directory to the plugin's user")}
	default:
		return []check.Result{check.Passed(f.Socket.Path, fmt.Sprintf("its directory has mode %04o and belongs to %s", d.Mode.Perm(), d.Owner))}
	}
}

func checkSocket(f Facts) []check.Result {
	s := f.Socket
	switch {
	case s.Listens:
		return []check.Result{checkAnswer(f)}
	case s.File.Err != "":
		return []check.Result{check.Unevaluated(s.Path, s.File.Err, "run doctor as root")}
	case !s.File.Exists:
		return []check.Result{check.Failed(s.Path, "the socket does not exist", "start the plugin, or correct socket.path")}
	case s.File.Mode.Type() != fs.ModeSocket:
		return []check.Result{check.Failed(s.Path, "a "+s.File.Kind()+" has this path; the plugin does not replace it and does not start", "find out which program made it, and remove it")}
	case s.Stale:
		return []check.Result{check.Failed(s.Path, "no process listens on it: the plugin that made it has ended", "start the plugin; it replaces a stale socket itself")}
	default:
		return []check.Result{check.Unevaluated(s.Path, s.ConnectErr, "run doctor as root or as a member of the socket's group")}
	}
}

// checkAnswer judges the plugin's answer. That a process listens says little: systemd
// may hold the socket of a plugin that crashes again and again.
func checkAnswer(f Facts) check.Result {
	s := f.Socket
	switch a := s.Answer; {
	case a.Err != "" && f.Config.AllowUIDs != nil && !slices.Contains(f.Config.AllowUIDs, f.Node.UID):
		return check.Unevaluated(s.Path, fmt.Sprintf("the plugin was not asked: socket.allow-uids does not list this user (uid %d)", f.Node.UID), "run doctor as a listed user, or list root")
	case a.Err != "":
		return check.Failed(s.Path, "a process listens on it, but no plugin answers: "+a.Err, "check whether the plugin runs, and read the end of its log")
	case !a.Serving:
		return check.Failed(s.Path, "the plugin does not serve: "+a.Reason, "remove the cause; kmsplugin status says more")
	case a.ServesRefused:
		return check.Failed(s.Path, "the plugin serves a key that Vault refuses, until its lease ends", "re-encrypt everything with another key before that; kmsplugin status says until when")
	case a.Reason != "":
		return check.Warned(s.Path, "the plugin encrypts nothing new: "+a.Reason, "remove the cause; kmsplugin status says more")
	default:
		return check.Passed(s.Path, "the plugin serves")
	}
}

func checkSocketAccess(f Facts) []check.Result {
	s := f.Socket
	if !s.File.Exists || s.File.Mode.Type() != fs.ModeSocket {
		return []check.Result{check.Unevaluated(s.Path, "there is no socket", "start the plugin, then run doctor again")}
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
		return []check.Result{check.Failed(s.Path, fmt.Sprintf("every user (mode %04o)", mode), "set socket.mode: \"0660\"")}
	}
	if len(s.Members) > 0 && mode&0o020 != 0 {
		return []check.Result{check.Warned(s.Path, fmt.Sprintf("root, %s (mode %04o)", who, mode), "keep only the API server's user in the group; remove people from it")}
	}
	return []check.Result{check.Passed(s.Path, fmt.Sprintf("root, %s (mode %04o)", who, mode))}
}

func checkAPIServerAccess(f Facts) (all []check.Result) {
	s := f.Socket
	switch {
	case !s.File.Exists || s.File.Mode.Type() != fs.ModeSocket:
		return []check.Result{check.Unevaluated(s.Path, "there is no socket", "start the plugin, then run doctor again")}
	case f.Config.AllowUIDsErr != "":
		return []check.Result{check.Failed("socket.allow-uids", f.Config.AllowUIDsErr, "correct socket.allow-uids: the plugin does not start with it")}
	case f.Node.APIServersErr != "":
		return []check.Result{check.Unevaluated(s.Path, f.Node.APIServersErr, "run doctor as root on the node")}
	case len(f.Node.APIServers) == 0:
		found := check.Unevaluated(s.Path, "no kube-apiserver runs here, or none is visible from here", "run doctor on the node, outside any container, once the API server runs")
		found.Expected = true
		return []check.Result{found}
	}
	for _, a := range f.Node.APIServers {
		all = append(all, checkOneAPIServer(f, a))
	}
	return all
}

func checkOneAPIServer(f Facts, a APIServer) check.Result {
	s := f.Socket
	subject := fmt.Sprintf("process %d, uid %d", a.PID, a.UID)
	mount := "mount the directory " + path.Dir(s.Path) + " of the node at the same path into the API server's container (hostPath, type Directory; never the socket itself), and restart that"
	switch {
	case f.Config.AllowUIDs != nil && !slices.Contains(f.Config.AllowUIDs, a.UID):
		return check.Failed(subject, "socket.allow-uids does not list its user, so its connections are closed", "add the user to socket.allow-uids")
	case a.Finds.Err == "" && !a.Finds.Exists:
		return check.Failed(subject, "it finds no socket at this path: the socket's directory is not mounted into its container", mount)
	case a.Finds.Err == "" && !a.Finds.Same:
		return check.Failed(subject, "it finds another file at this path: an older directory of this name, or the socket of a replaced plugin, is mounted into its container", mount)
	case s.Dir.Mode.IsDir() && !a.May(hostfacts.MaySearch, s.Dir):
		return check.Failed(subject, fmt.Sprintf("it may not enter the socket's directory (mode %04o, %s)", s.Dir.Mode.Perm(), s.Dir.Owner), "chgrp the directory to the API server's group, and chmod it 0750")
	case !a.May(hostfacts.MayConnect, s.File):
		return check.Failed(subject, fmt.Sprintf("it may not connect (mode %04o, %s, group %s)", s.File.Mode.Perm(), s.File.Owner, s.Group), "set socket.group to a group of the API server's user, and socket.mode: \"0660\"")
	case a.Finds.Err != "":
		return check.Unevaluated(subject, "its rights let it connect; whether it finds the socket in its container is unknown: "+a.Finds.Err, "run doctor as root on the node")
	default:
		return check.Passed(subject, "it finds the socket and may connect")
	}
}
