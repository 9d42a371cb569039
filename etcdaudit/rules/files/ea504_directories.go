package files

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/rules/rights"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/internal/term"
)

func directories() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-504", Title: "Only root and their programs can write to the directories on the way to these files", Severity: check.High,
		Why:   "a user who writes to a directory puts another file or directory into the place of one in it, whatever the mode of that one is",
		Reads: "owner, group and mode of each directory from the root to the data directory, keys, certificates, manifests, units, configurations, credentials and snapshots, by their names and by where links lead; those to the KMS socket are EA-430's",
		Needs: []check.Need[facts.Facts]{need.Host, own}, Run: judgeWays,
	}
}

// below is a directory, and what lies below it.
type below struct {
	hostfacts.Path
	kept []kept
}

func judgeWays(f facts.Facts) (results []check.Result) {
	dirs := map[string]below{}
	for _, k := range f.Host.Kept {
		for _, dir := range k.Way {
			dirs[dir.Name] = below{dir.Path, append(dirs[dir.Name].kept, kept{k, users(f.Host, k)})}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		dir := dirs[name]
		worst, on := check.Result{}, kept{}
		for _, k := range dir.kept {
			if r := rights.Directory(dir.Path, name, k.users...); r.Status > worst.Status {
				worst, on = r, k
			}
		}
		if worst.Status == check.Pass {
			worst.Summary = fmt.Sprintf("%04o, uid %d", dir.Mode.Perm(), dir.UID)
		} else if worst.Status.Finding() {
			worst.Summary += fmt.Sprintf("; on the way to %s", term.Printable(on.Kept.Path))
		}
		worst.Target, worst.Identity = term.Printable(name), []string{f.Host.Node, name}
		worst.Evidence = []check.Evidence{{Source: term.Printable(name), Seen: fmt.Sprintf("%s, uid %d, gid %d; on the way to %d files", dir.Mode, dir.UID, dir.GID, len(dir.kept))}}
		results = append(results, worst)
	}
	if results == nil {
		return []check.Result{check.Unevaluated("", "no file of the control plane was found on this node", "run etcdaudit host as root on each node of the control plane")}
	}
	return results
}
