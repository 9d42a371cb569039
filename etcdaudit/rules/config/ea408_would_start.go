package config

import (
	"github.com/sealproof/sealproof/internal/check"
)

func wouldStart() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-408", Title: "etcd would start with this configuration", Severity: check.Medium,
		Why:   "a member that refuses its configuration is noticed at its next start, when it may be needed most; and nothing can be said of settings that no process runs with",
		Reads: "flags, environment and configuration file, as etcd of that release checks them when it starts; also those that a new start would use",
		Needs: []check.Need[etcd]{understood}, Run: one(judgeStart),
	}
}

func judgeStart(e etcd) check.Result {
	const todo = "correct what etcd names, and start one member with it before the others"
	evidence := e.all()
	switch {
	case e.Config.Refused != "" && e.Process != nil:
		return with(check.Unevaluated("", "etcd runs, although as it was read here its configuration would be refused: "+e.Config.Refused, "compare with etcd's own log of its start, and report the difference"), evidence)
	case e.Config.Refused != "":
		return with(check.Failed("", "refused: "+e.Config.Refused, todo), evidence)
	case e.Manifest != nil && e.Manifest.Refused != "":
		return with(check.Failed("", "etcd runs, and would not start again: "+e.Manifest.Refused, todo), evidence)
	case e.Manifest != nil && e.Manifest.NotEvaluated != "":
		return with(check.Unevaluated("", "what a new start would use is not known: "+e.Manifest.NotEvaluated, ""), evidence)
	}
	return with(check.Passed("", "nothing in it is refused"), evidence)
}
