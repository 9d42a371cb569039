package acceptance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Find returns an entry for the one finding of a check that a report has under an object's or
// target's name or a fingerprint, and on a node; each of them may be empty. Of the entry it
// sets Check, Object and Fingerprint, and Node where that was given.
func Find(r *auditv1.Report, check, object, fingerprint, node string) (Entry, error) {
	on := nodesOf(r)
	if !on.hold(node) {
		return Entry{}, fmt.Errorf("the report is not about a node %q; its nodes: %s", node, cmp.Or(strings.Join(on, ", "), "none"))
	}
	i := slices.IndexFunc(r.Checks, func(c *auditv1.Check) bool { return strings.EqualFold(c.Id, check) })
	if i < 0 {
		return Entry{}, fmt.Errorf("the report has no check %q", check)
	}
	c := r.Checks[i]
	var all, chosen []Entry
	for _, result := range c.Results {
		if !finding(result) || node != "" && node != on.of(result) {
			continue
		}
		whole := Entry{Check: c.Id, Object: result.Target, Fingerprint: result.Fingerprint, Node: result.Node}
		all = append(all, whole)
		wanted := Entry{Object: object, Fingerprint: fingerprint}
		if object == "" && fingerprint == "" || wanted.is(result.Fingerprint, result.Target) {
			chosen = append(chosen, whole)
			continue
		}
		for _, o := range result.Objects {
			if names := objectNames(o); wanted.is(o.Fingerprint, names...) {
				chosen = append(chosen, Entry{Check: c.Id, Object: names[1], Fingerprint: o.Fingerprint, Node: result.Node})
			}
		}
	}
	// The same finding in two places, such as two copies of a database, is one.
	seen := map[string]bool{}
	chosen = slices.DeleteFunc(chosen, func(e Entry) bool {
		twice := e.Fingerprint != "" && seen[e.Fingerprint]
		seen[e.Fingerprint] = true
		return twice
	})
	switch {
	case len(all) == 0:
		return Entry{}, fmt.Errorf("%s has no finding in the report: there is nothing to accept", c.Id)
	case len(chosen) == 0:
		return Entry{}, fmt.Errorf("%s has no such finding in the report; its findings are about %s", c.Id, several(all))
	case len(chosen) > 1:
		return Entry{}, fmt.Errorf("%s has %d such findings in the report: choose one by its object, node or fingerprint: %s", c.Id, len(chosen), several(chosen))
	case chosen[0].Object == "" && chosen[0].Fingerprint == "":
		return Entry{}, fmt.Errorf("the finding of %s has neither a target nor a fingerprint, by which it could be told from others", c.Id)
	}
	chosen[0].Node = node
	return chosen[0], nil
}

// several names the first of some findings.
func several(list []Entry) string {
	const most = 5
	var names []string
	for _, e := range list[:min(len(list), most)] {
		name := e.Object
		if e.Node != "" {
			name += " on " + e.Node
		}
		names = append(names, strings.TrimSpace(name+" ("+e.Fingerprint+")"))
	}
	text := strings.Join(names, ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
