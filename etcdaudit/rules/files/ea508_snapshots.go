package files

import (
	"fmt"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func recentSnapshot() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-508", Title: "A snapshot of etcd is recent, and not on this node alone", Severity: check.Low,
		Why:   "without a recent copy a damaged etcd, or a key that was deleted, takes all Secrets with it; and a copy on the node goes with the node",
		Reads: "the times of snapshots in the folders of k3s and RKE2, in usual places and in those of --snapshot-dir, beside --max-snapshot-age; where a configuration says so, whether they are sent elsewhere",
		Needs: []check.Need[facts.Facts]{need.Host, own, func(f facts.Facts) (check.Result, bool) {
			r := check.Unevaluated("", "no snapshot was found on this node: a job elsewhere may take them", "name the folder with --snapshot-dir")
			r.Expected = true
			return r, len(f.Host.Snapshots) > 0
		}},
		Run: judgeSnapshots,
	}
}

func judgeSnapshots(f facts.Facts) (results []check.Result) {
	for _, s := range f.Host.Snapshots {
		seen := fmt.Sprintf("%d snapshots", s.Copies)
		if s.Newest != "" {
			seen += fmt.Sprintf(", the newest %s of %s", s.Newest, s.Written.UTC().Format(time.RFC3339))
		}
		add := func(what string, r check.Result) {
			r.Target, r.Identity = term.Printable(s.Path)+": "+what, []string{f.Host.Node, s.Path, what}
			r.Evidence = append(r.Evidence, check.Evidence{Source: term.Printable(s.Path), Seen: term.Printable(seen + " (" + s.Found + ")")})
			results = append(results, r)
		}
		add("age", snapshotAge(s, f.Host))
		if s.Copies > 0 {
			add("copies elsewhere", elsewhere(s))
		}
	}
	return results
}

// clockSkew is how far the clocks of a node and of storage over the network may be apart.
const clockSkew = 5 * time.Minute

func snapshotAge(s facts.SnapshotFolder, h *facts.Host) check.Result {
	age := h.Now.Sub(s.Written).Round(time.Minute)
	switch {
	case s.Err != "":
		return check.Unevaluated("", s.Err, "run etcdaudit as root")
	case s.Copies == 0:
		return check.Failed("", "there is no snapshot in it", "find out why "+s.Found+" takes none, or take them with etcdctl snapshot save")
	case age < -clockSkew:
		return check.Unevaluated("", fmt.Sprintf("the newest snapshot, %s, has a time that is %s after that of this report: a clock was wrong", term.Printable(s.Newest), -age), "set the clock, and the file's time with touch; then nothing newer is hidden by it")
	case age > h.MaxSnapshotAge:
		return check.Failed("", fmt.Sprintf("the newest snapshot is %s old, and may be %s (--max-snapshot-age)", age, h.MaxSnapshotAge), "find out why no newer one was taken; restore one on a machine of its own to see that it can be")
	}
	return check.Passed("", fmt.Sprintf("the newest snapshot is %s old, and may be %s", age, h.MaxSnapshotAge))
}

// elsewhere says what can be known of copies on other machines.
func elsewhere(s facts.SnapshotFolder) check.Result {
	switch {
	case s.Remote != "":
		return check.Passed("", "they are sent to "+term.Printable(s.Remote)+"; whether they arrive is not seen from here")
	case s.Here != "":
		return check.Warned("", "nothing sends them elsewhere: "+term.Printable(s.Here), "set etcd-s3 and its bucket, or copy them to another machine, encrypted")
	}
	r := check.Unevaluated("", "whether they are copied to another machine cannot be seen from here", "ask who runs the backups where copies are kept, who can read them, and how they are encrypted")
	r.Expected = true
	return r
}
