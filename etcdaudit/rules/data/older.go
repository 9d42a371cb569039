package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// left is the finding about copies that outlive live values.
func left(s facts.Store, f found, summary string) check.Result {
	return check.Result{
		Status: check.Fail, Summary: summary, Count: f.values, Objects: f.objects,
		Remedy: cleared(s) + "; change the credentials that were readable",
	}
}

// nothingLeft is the result where a search has found nothing. Where not every place could be
// searched that is no pass.
func nothingLeft(s facts.Store, summary string) check.Result {
	switch {
	case s.Scope.Layer == record.Undetermined:
		return check.Unevaluated("", "nothing was found, but bytes without a structure do not show that everything was searched: take a consistent view (etcdctl snapshot save, or a snapshot of the file system) and scan that", "")
	case s.Scope.InUse:
		return check.Unevaluated("", "nothing was found, but a process writes to it, and what it has written since was not read: stop the member, or scan a snapshot of its file system", "")
	case s.Damaged > 0:
		return check.Unevaluated("", "nothing was found, but "+s.Unread(), "")
	case s.Scope.Layer == record.WAL && s.Inventory.Keys == 0 && s.Scope.Outside > 0:
		// Of a database the prefix is known by its live keys.
		return check.Unevaluated("", "nothing there has a key under "+s.Scope.Prefix+": is that the --prefix?", "")
	}
	return check.Passed("", summary)
}

// whole is a rule that passes nothing where files could not be read as a whole, or live values at
// one revision: what is missing may be a finding.
func whole(r rule) rule {
	run := r.Run
	r.Run = func(s facts.Store) []check.Result {
		results := run(s)
		for i, result := range results {
			if why := s.Unread(); why != "" && !result.Status.Finding() && result.Status != check.NotEvaluated {
				results[i] = check.Unevaluated(result.Target, why, "")
				results[i].Identity, results[i].Evidence = result.Identity, result.Evidence
			}
		}
		return results
	}
	return r
}

// cleared says what removes what is left in a layer.
func cleared(s facts.Store) string {
	if s.Scope.Copy != "" {
		return "delete the " + s.Scope.Copy + " and every copy of it, or take it anew when the members are clean"
	}
	for _, about := range record.Layers() {
		if about.Layer == s.Scope.Layer && about.Layer != record.WAL {
			return about.Etcd.ClearedBy + ", after every live value is rewritten: the runbook below has the commands"
		} else if about.Layer == s.Scope.Layer {
			return "replace each member, or let later traffic replace the segments: the runbook below has the commands"
		}
	}
	return "take a consistent view (etcdctl snapshot save) and scan that, to know the layer and what clears it"
}

// place names what has no name by where it is.
func place(at record.Origin) string {
	return fmt.Sprintf("%s, byte %d", term.Printable(at.File), at.Offset)
}

func copies(n int64) string {
	if n == 1 {
		return "1 plaintext copy"
	}
	return fmt.Sprintf("%d plaintext copies", n)
}
