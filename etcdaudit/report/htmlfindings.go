package report

import (
	"fmt"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// finding is one finding, or several targets' with the same words.
type finding struct {
	Check    *auditv1.Check
	Result   *auditv1.Result
	Anchor   string // EA-101, and EA-101-2 for the second one of a check
	Number   int    // under what to do first; 0 for none
	Said     string
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
		f := finding{Check: e.check, Result: e.result, Anchor: e.check.Id, Number: e.number, Said: e.said(), Objects: head(e.result.Objects, shownObjects)}
		if seen[e.check.Id]++; seen[e.check.Id] > 1 {
			f.Anchor = fmt.Sprintf("%s-%d", e.check.Id, seen[e.check.Id])
		}
		if len(e.result.Objects) > 0 {
			f.Objects.More = int64(e.result.Count) - int64(len(f.Objects.Shown))
		}
		about := e.targets
		if len(about) == 0 && e.result.Target != "" {
			about = []string{e.result.Target}
		}
		f.Targets = head(about, shownTargets)
		f.Evidence = head(e.evidence, shownEvidence)
		if len(e.evidence) == 0 {
			f.Evidence = head(e.result.Evidence, shownEvidence)
		}
		last[e.check.Id] = len(all)
		all = append(all, f)
	}
	return all
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
		names := e.targets
		if len(names) == 0 {
			names = []string{e.result.Target}
		}
		for _, name := range names {
			if name = strings.TrimSpace(name); name != "" {
				about[k] = append(about[k], name)
			}
		}
		all[i].Targets = head(distinct(about[k]), shownTargets)
	}
	return all
}
