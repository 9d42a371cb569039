package report

import (
	"fmt"
	"slices"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// finding is one finding, or several targets' with the same words.
type finding struct {
	Check    *auditv1.Check
	Result   *auditv1.Result
	Anchor   string // EA-101, and EA-101-2 for the second one of a check
	Number   int    // under what to do first; 0 for none
	Said     string
	About    string // the first targets, where they are to be told apart
	On       string // the node of all targets, where none of them names it
	Nodes    part[string]
	Targets  part[string]
	Evidence part[*auditv1.Evidence]
	Objects  part[*auditv1.Object]
	Further  int64 // results of the same check that are not shown
}

func findingsOf(list []*entry) (all []finding) {
	seen, last := map[string]int{}, map[string]int{}
	for _, e := range list {
		if !e.finding() {
			continue
		}
		// One check with thousands of targets must not push the others off the page.
		if seen[e.check.Id] == shownOfCheck {
			all[last[e.check.Id]].Further++
			continue
		}
		f := finding{
			Check: e.check, Result: e.result, Anchor: e.check.Id, Number: e.number, Said: e.said(), About: targets(e.targets),
			Nodes: head(e.nodes, shownTargets), Targets: head(e.named(), shownTargets), Objects: head(e.result.Objects, shownObjects),
		}
		if len(e.nodes) == 0 {
			f.On = e.result.Node
		}
		if seen[e.check.Id]++; seen[e.check.Id] > 1 {
			f.Anchor = fmt.Sprintf("%s-%d", e.check.Id, seen[e.check.Id])
		}
		if len(e.result.Objects) > 0 {
			f.Objects.More = int64(e.result.Count) - int64(len(f.Objects.Shown))
		}
		f.Evidence = head(e.evidence, shownEvidence)
		if len(e.evidence) == 0 {
			f.Evidence = head(e.result.Evidence, shownEvidence)
		}
		last[e.check.Id] = len(all)
		all = append(all, f)
	}
	return all
}

// named are the targets that have a name.
func (e *entry) named() []string {
	return slices.DeleteFunc(slices.Clone(e.about), func(name string) bool { return name == "" })
}

// gap is what could not be evaluated for one reason.
type gap struct {
	Status     auditv1.Status
	Checks     []*auditv1.Check
	Reason, Do string
	Targets    part[string]
}

func gapsOf(list []*entry) (all []gap) {
	type key struct {
		status     auditv1.Status
		reason, do string
	}
	places := map[key]int{}
	about := map[key][]string{}
	for _, e := range list {
		if order(e) != 1 && e.result.Status != auditv1.Status_STATUS_UNSPECIFIED {
			continue
		}
		k := key{e.result.Status, e.said(), e.result.Remediation}
		i, known := places[k]
		if !known {
			i = len(all)
			places[k] = i
			all = append(all, gap{Status: k.status, Reason: k.reason, Do: k.do})
		}
		if n := len(all[i].Checks); n == 0 || all[i].Checks[n-1] != e.check {
			all[i].Checks = append(all[i].Checks, e.check)
		}
		about[k] = append(about[k], e.named()...)
		all[i].Targets = head(distinct(about[k]), shownTargets)
	}
	return all
}

// nodeView is a node of a report about several, and the checks that found something there. The
// last one has no name: what was found there is on no single node.
type nodeView struct {
	Name    string
	Verdict *auditv1.Verdict
	Lines   []nodeLine
	Open    int // checks that could not be evaluated there
}

// nodeLine is a check that found something on a node. Anchor leads to the finding, or to the
// check where the finding is not shown.
type nodeLine struct {
	Check  *auditv1.Check
	Status auditv1.Status
	Anchor string
}

func nodesOf(r *auditv1.Report, list []*entry, shown []finding) (all []nodeView) {
	if !several(r) {
		return nil
	}
	for _, s := range r.Scopes {
		if s.Verdict != nil {
			all = append(all, nodeViewOf(s.Node, list, shown))
			all[len(all)-1].Verdict = s.Verdict
		}
	}
	if rest := nodeViewOf("", list, shown); len(rest.Lines) > 0 {
		all = append(all, rest)
	}
	return all
}

func nodeViewOf(node string, list []*entry, shown []finding) nodeView {
	v := nodeView{Name: node}
	on := func(nodes []string) bool { return slices.Contains(nodes, node) || node == "" && len(nodes) == 0 }
	known := map[string]bool{}
	for _, e := range list {
		if !on(e.nodes) || known[e.check.Id] {
			continue
		}
		switch {
		case e.finding():
			line := nodeLine{e.check, e.result.Status, "check-" + e.check.Id}
			if i := slices.IndexFunc(shown, func(f finding) bool { return f.Check == e.check && on(f.Nodes.Shown) }); i >= 0 {
				line.Anchor = shown[i].Anchor
			}
			v.Lines = append(v.Lines, line)
		case order(e) == 1:
			v.Open++
		default:
			continue
		}
		known[e.check.Id] = true
	}
	return v
}
