package files

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func secretsInWords() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-509", Title: "No secret stands in arguments or environments", Severity: check.Medium,
		Why:   "each user of the node reads the arguments of all processes; environments are inherited, logged and dumped with a crash. A file has an owner and a mode",
		Reads: "names of flags and variables of etcd, the API server, k3s and the KMS plugin, in processes, manifests, units and environment files, and whether an address has a password in it; values are looked at while they are read, and not kept",
		Needs: []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) {
			return check.Unevaluated("", "neither a process nor what starts it could be read on this node", "run etcdaudit host as root on each node of the control plane"), len(f.Host.Looked) > 0
		}},
		Run: judgeWords,
	}
}

func judgeWords(f facts.Facts) (results []check.Result) {
	for _, l := range f.Host.Looked {
		r := judgeLooked(l)
		r.Target, r.Identity = term.Printable(l.Program+", "+l.Source), []string{f.Host.Node, l.Program, withoutPID(l.Source)}
		r.Evidence = []check.Evidence{{Source: term.Printable(l.Source), Seen: fmt.Sprintf("%d arguments, %d variables", l.Arguments, l.Variables)}}
		results = append(results, r)
	}
	return results
}

// withoutPID names a source in the same way in the next run.
func withoutPID(source string) string {
	if strings.HasPrefix(source, "process ") {
		return "process"
	}
	return source
}

func judgeLooked(l facts.Looked) check.Result {
	var names []string
	for _, w := range l.Found {
		names = append(names, term.Printable(fmt.Sprintf("%s (%s)", w.Name, w.Why)))
	}
	const fix = "give it as a file that only its program can read, and change the secret: it has been seen"
	switch said := strings.Join(names, ", "); {
	case slices.ContainsFunc(l.Found, func(w facts.Word) bool { return w.Argument }):
		return check.Failed("", "each user of the node can read this in the arguments: "+said, fix)
	case said != "":
		return check.Warned("", "in the environment: "+said, fix)
	case l.Missing != "":
		return check.Unevaluated("", l.Missing, "run etcdaudit host as root on the running node, and look at what it could not search")
	}
	return check.Passed("", "no name of a secret, and no address with a password")
}
