package files

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func dataDirectory() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-501", Title: "etcd's data directory belongs to etcd, and is closed to others", Severity: check.High,
		Why:   "whoever reads the directory has all data of the cluster, deleted and overwritten values among them; who writes to it can change them",
		Reads: "owner and mode of the data directory and of a WAL directory elsewhere, beside the uid of the process: uids, for names differ between containers and nodes",
		Needs: []check.Need[facts.Facts]{need.Host, own}, Run: judgeDirectories,
	}
}

func judgeDirectories(f facts.Facts) (results []check.Result) {
	for _, e := range f.Host.Etcds {
		for _, path := range []string{e.Config.DataDir, e.Config.WALDir} {
			if path == "" {
				continue
			}
			r := judgeDirectory(f.Host, e, path)
			r.Target, r.Identity = e.Name+": "+path, []string{f.Host.Node, path}
			if dir := e.Files[path]; dir.Exists {
				r.Evidence = append(r.Evidence, check.Evidence{Source: path, Seen: fmt.Sprintf("%s, uid %d, gid %d (%s)", dir.Mode, dir.UID, dir.GID, dir.Owner)})
			}
			if p := e.Process; p != nil {
				r.Evidence = append(r.Evidence, check.Evidence{Source: fmt.Sprintf("process %d", p.PID), Seen: fmt.Sprintf("uid %d, gid %d", p.UID, p.GID)})
			}
			results = append(results, r)
		}
	}
	if results == nil {
		if result, ok := need.NoKine(f.Host); !ok {
			return []check.Result{result}
		}
		return []check.Result{check.Unevaluated("", "no data directory of an etcd is known on this node", need.Visit(f.Host))}
	}
	return results
}

func judgeDirectory(h *facts.Host, e facts.Etcd, path string) check.Result {
	dir, known := e.Files[path]
	switch {
	case !known || dir.Err != "":
		return check.Unevaluated("", "it could not be inspected: "+dir.Err, "run etcdaudit as root")
	case !dir.Exists:
		return check.Unevaluated("", "it is not there", need.Visit(h))
	case dir.Mode.Perm()&0o077 != 0:
		return check.Failed("", fmt.Sprintf("its mode is %04o: others than its owner have rights", dir.Mode.Perm()), "chmod 0700 "+path)
	case e.Process == nil:
		r := check.Unevaluated("", fmt.Sprintf("closed to others (%04o); which uid etcd runs as is not known, and so whether uid %d is right", dir.Mode.Perm(), dir.UID), "run etcdaudit host on the running node, as root")
		r.Expected = true
		return r
	case dir.UID != e.Process.UID:
		return check.Failed("", fmt.Sprintf("it belongs to uid %d, and etcd runs as uid %d", dir.UID, e.Process.UID), fmt.Sprintf("chown -R %d:%d %s", e.Process.UID, e.Process.GID, path))
	}
	said := fmt.Sprintf("%04o, of the uid %d that etcd runs as", dir.Mode.Perm(), dir.UID)
	if dir.Owner != "etcd" {
		said += "; the letter of CIS 1.1.12 asks for a user called etcd"
	}
	return check.Passed("", said)
}
