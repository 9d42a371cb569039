package config

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/rights"
	"github.com/sealproof/sealproof/internal/check"
)

func kmsSocket() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-430", Title: "Only root and the KMS plugin can write to its socket, and to the directories on the way", Severity: check.High,
		Why:   "a process that can write to the socket has everything decrypted; one that can write to a directory on the way puts a socket of its own in its place, and is given every key and Secret that is written",
		Reads: "owner, group and mode of the sockets of the KMS providers, and of each directory from the root to them",
		Needs: []check.Need[apiServer]{accepted}, Run: judgeSockets,
	}
}

func judgeSockets(s apiServer) (results []check.Result) {
	for _, endpoint := range slices.Sorted(maps.Keys(s.Sockets)) {
		socket := s.Sockets[endpoint]
		r := s.judgeSocket(socket)
		r.Target, r.Identity = endpoint, []string{endpoint}
		seen := "it is not there"
		if socket.Exists {
			seen = fmt.Sprintf("%s %s, uid %d, gid %d", socket.Kind(), socket.Mode.Perm(), socket.UID, socket.GID)
		}
		for i, dir := range socket.Way {
			if dir.Err != "" {
				seen += fmt.Sprintf("; directory %d of the way: %s", i+1, dir.Err)
				continue
			}
			seen += fmt.Sprintf("; directory %d of the way: %s, uid %d, gid %d", i+1, dir.Mode, dir.UID, dir.GID)
		}
		results = append(results, with(r, []check.Evidence{{Source: endpoint, Seen: seen}}))
	}
	switch {
	case results != nil:
		return results
	case s.Encryption != nil && s.Encryption.Config == nil:
		return []check.Result{check.Unevaluated("", "the EncryptionConfiguration could not be read: "+s.Encryption.Err, "run etcdaudit as root")}
	}
	return []check.Result{check.Inapplicable("no KMS provider is configured")}
}

func (s apiServer) judgeSocket(socket facts.Socket) check.Result {
	path := strings.TrimPrefix(socket.Endpoint, "unix://")
	if strings.HasPrefix(path, "@") {
		return check.Failed("", "an abstract socket has no owner and no mode: each process of the node can use it, or take its name", "let the plugin listen at a path that only it and root can write, and name that in the EncryptionConfiguration")
	}
	switch {
	case socket.Err != "":
		return check.Unevaluated("", socket.Err, "run etcdaudit as root")
	case !socket.Exists && !s.host.Live:
		return check.Unevaluated("", "the socket is there on the running node only", "run etcdaudit host there")
	case !socket.Exists:
		return check.Unevaluated("", "the socket is not there: the plugin does not run", "start the KMS plugin; without it the API server cannot read its Secrets after a restart")
	case socket.Mode.Type() != fs.ModeSocket:
		return check.Failed("", "it is a "+socket.Kind()+", not a socket", "find out what has put it there, remove it and start the KMS plugin")
	case socket.Mode.Perm()&0o002 != 0:
		return check.Failed("", fmt.Sprintf("its mode is %s: each process of the node can use it", socket.Mode.Perm()), "chmod 0660 "+path+", and set that mode in the plugin's configuration")
	}
	worst := check.Passed("", fmt.Sprintf("root and uid %d can use it", socket.UID))
	if socket.Mode.Perm()&0o020 != 0 && socket.GID != 0 {
		worst = check.Passed("", fmt.Sprintf("root, uid %d and group %d can use it", socket.UID, socket.GID))
	}
	if len(socket.Way) == 0 {
		return check.Unevaluated("", "the directories on the way to it could not be inspected", "run etcdaudit as root")
	}
	for i, dir := range socket.Way {
		if r := rights.Directory(dir, onTheWay(socket, i), facts.User{UID: socket.UID}); r.Status > worst.Status {
			worst = r
		}
	}
	return worst
}

// onTheWay names a directory of the way. Where links lead to the socket the way has other
// names than its path.
func onTheWay(socket facts.Socket, i int) string {
	names := strings.Split(strings.TrimSuffix(socket.Dir, "/"), "/")
	if len(names) != len(socket.Way) {
		return fmt.Sprintf("directory %d of the way to %s", i+1, socket.Endpoint)
	}
	return strings.Join(names[:i+1], "/") + "/"
}
