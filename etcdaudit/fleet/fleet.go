// Package fleet puts the reports of several nodes into one, and says where nodes differ that
// should not. It is pure, and knows the report's model alone: so it serves reports that were
// stored as JSON as well as those that were just made.
package fleet

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Node is what the report of one node says.
type Node struct {
	Name   string
	Report *auditv1.Report
}

// Nodes are all nodes, by name. The rules of this package look at them.
type Nodes []Node

// Rules returns the rules about differences between nodes, in the order of their ids.
func Rules() []check.Rule[Nodes] {
	all := []check.Rule[Nodes]{etcdSettings(), apiServerFlags(), versions(), encryptionConfigurations(), authorities(), sharedKeys(), serviceAccountKeys()}
	for i := range all {
		all[i].Needs = []check.Need[Nodes]{several}
	}
	return all
}

func several(nodes Nodes) (check.Result, bool) {
	return check.Inapplicable("the report is about one node: differences need two"), len(nodes) > 1
}

// The programs that a report has configurations of.
const (
	etcd      = "etcd"
	apiServer = "kube-apiserver"
)

// program is the one etcd or API server of a node.
type program struct {
	node   Node
	config *auditv1.Configuration
}

// programs returns the program of each node that has one. Where a node has several, which of
// them belong together is not known: the reason says so.
func (nodes Nodes) programs(name string) (all []program, reason string) {
	for _, n := range nodes {
		var own []program
		for _, c := range n.Report.Configurations {
			if c.Program == name {
				own = append(own, program{n, c})
			}
		}
		if len(own) > 1 {
			return nil, n.Name + " has more than one " + name + ": which of them belong together is not known"
		}
		all = append(all, own...)
	}
	return all, ""
}

// compared returns the programs of one name, or the result that says why there is nothing to
// compare.
func (nodes Nodes) compared(name string) ([]program, []check.Result) {
	all, reason := nodes.programs(name)
	switch {
	case reason != "":
		return nil, []check.Result{check.Unevaluated(name, reason, "")}
	case len(all) < 2:
		return nil, []check.Result{check.Inapplicable("fewer than two of the nodes have a " + name)}
	}
	return all, nil
}

// value returns a setting of a program; ok is false where it has none of that name.
func (p program) value(name string) (value string, ok bool) {
	for _, s := range p.config.Settings {
		if s.Name == name {
			return s.Value, true
		}
	}
	return "", false
}

// said is what one node has of what is compared.
type said struct{ node, source, value string }

// verdict compares what the nodes have of one thing. identity names the thing apart from
// the nodes: the finding is the same one when a node is added.
func verdict(target, what string, all []said, remedy string) check.Result {
	values := map[string][]string{}
	var order []string
	r := check.Result{Target: target, Identity: []string{"nodes", target}}
	for _, s := range all {
		if values[s.value] == nil {
			order = append(order, s.value)
		}
		values[s.value] = append(values[s.value], s.node)
		r.Evidence = append(r.Evidence, check.Evidence{Source: s.node + ", " + s.source, Seen: shown(s.value)})
	}
	if len(order) == 1 {
		r.Status, r.Summary = check.Pass, what+" is the same on "+names(values[order[0]])
		return r
	}
	var parts []string
	for _, v := range order {
		parts = append(parts, shown(v)+" on "+names(values[v]))
	}
	r.Status, r.Summary, r.Remedy = check.Fail, what+" differs: "+strings.Join(parts, "; "), remedy
	return r
}

func shown(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

func names(nodes []string) string { return strings.Join(slices.Compact(nodes), ", ") }
