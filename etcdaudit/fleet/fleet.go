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
	node     Node
	config   *auditv1.Configuration
	settings map[string]*auditv1.Setting
}

// compared returns the program of each node that has one, and a result for each node whose
// program cannot be compared: where a node has several, which of them belong together is not
// known, and a setting that is not known may be any. Fewer than two programs are none: the results say why.
func (nodes Nodes) compared(name string) (all []program, apart []check.Result) {
	for _, n := range nodes {
		var own []program
		for _, c := range n.Report.Configurations {
			if c.Program == name {
				own = append(own, newProgram(n, c))
			}
		}
		if len(own) > 1 {
			apart = append(apart, notCompared(n, name, n.Name+" has more than one "+name+": which of them belong together is not known"))
			continue
		}
		if len(own) == 1 && own[0].config.Unknown != "" {
			apart = append(apart, notCompared(n, name, "the settings of "+name+" on "+n.Name+" are not known: "+own[0].config.Unknown))
			continue
		}
		all = append(all, own...)
	}
	if len(all) >= 2 {
		return all, apart
	}
	if apart == nil {
		apart = []check.Result{check.Inapplicable("fewer than two of the nodes have a " + name)}
	}
	return nil, apart
}

// notCompared says that a part of one node is left out.
func notCompared(n Node, target, reason string) check.Result {
	r := check.Unevaluated(n.Name+": "+target, reason, "")
	r.Identity = []string{"nodes", n.Name, target}
	return r
}

func newProgram(n Node, c *auditv1.Configuration) program {
	p := program{n, c, map[string]*auditv1.Setting{}}
	for _, s := range c.Settings {
		p.settings[s.Name] = s
	}
	return p
}

// value returns a setting of a program; ok is false where it has none of that name.
func (p program) value(name string) (value string, ok bool) {
	s, ok := p.settings[name]
	return s.GetValue(), ok
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
