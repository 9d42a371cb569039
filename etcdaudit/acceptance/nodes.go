package acceptance

import (
	"fmt"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// nodes are the names of those that a report is about.
type nodes []string

func nodesOf(r *auditv1.Report) (names nodes) {
	for _, s := range r.Scopes {
		if s.Node != "" {
			names = append(names, s.Node)
		}
	}
	return names
}

// hold reports whether a report is about a node; all are about the one without a name.
func (n nodes) hold(name string) bool { return name == "" || slices.Contains(n, name) }

// of is the node that a result is about; empty where it is about several, or about none.
func (n nodes) of(r *auditv1.Result) string {
	if r.Node == "" && len(n) == 1 {
		return n[0]
	}
	return r.Node
}

// unclear is the error of an entry that names something that is on several nodes: who accepts
// a risk on one node has not looked at the others.
func (n nodes) unclear(checks []*auditv1.Check, e Entry) error {
	if e.Node != "" || e.Fingerprint != "" || len(n) < 2 {
		return nil
	}
	var on []string
	for _, c := range checks {
		if c.Id != e.Check {
			continue
		}
		for _, r := range c.Results {
			if e.is("", r.Target) || slices.ContainsFunc(r.Objects, func(o *auditv1.Object) bool { return e.is("", objectNames(o)...) }) {
				on = append(on, n.of(r))
			}
		}
	}
	slices.Sort(on)
	if on = slices.Compact(on); len(on) < 2 {
		return nil
	}
	return fmt.Errorf("%s: %s %s is on several nodes (%s): give node or fingerprint", e.Source, e.Check, e.Object, strings.Join(on, ", "))
}
