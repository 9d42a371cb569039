package controls

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/outcome"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Fill puts the controls of every catalogue into a report, with what its checks and its
// configurations say of them. It replaces what an earlier call has put there. The statuses
// of checks have to be settled (package outcome). The error is one of the data that is built
// in.
func Fill(r *auditv1.Report) error {
	all, err := All()
	if err != nil {
		return err
	}
	checks := map[string]*auditv1.Check{}
	for _, c := range r.Checks {
		checks[c.GetId()] = c
	}
	r.Controls = nil
	for _, catalogue := range all {
		for _, control := range catalogue.Controls {
			r.Controls = append(r.Controls, fill(r, catalogue, control, checks))
		}
	}
	return nil
}

func fill(r *auditv1.Report, catalogue Catalogue, control Control, checks map[string]*auditv1.Check) *auditv1.Control {
	out := &auditv1.Control{
		Catalogue: catalogue.Title, Version: catalogue.Version, Id: control.ID, Title: control.Title, Source: control.Source, Verified: catalogue.Verified,
	}
	for _, e := range control.Checks {
		evidence := &auditv1.ControlCheck{Check: e.Check, Relation: relation(e.Relation), Note: e.Note}
		if c := checks[e.Check]; c != nil {
			evidence.Status = c.Status
		}
		out.Checks = append(out.Checks, evidence)
		if out.Reach == auditv1.Relation_RELATION_UNSPECIFIED || evidence.Relation < out.Reach {
			out.Reach = evidence.Relation
		}
	}
	out.Evidence = together(out.Checks)
	if l := control.Letter; l != nil {
		var said string
		out.Letter, said = l.evaluate(r)
		if out.LetterText = l.Asks; said != "" {
			out.LetterText += " (" + said + ")"
		}
		out.Difference = difference(l, out, checks)
	}
	return out
}

// together is what the checks that are evidence come to: a finding before what was not
// evaluated, that before all else. It is unspecified where none of them is evidence.
func together(checks []*auditv1.ControlCheck) (worst auditv1.Status) {
	for _, c := range checks {
		if c.Relation == auditv1.Relation_RELATION_NEEDS_HUMAN {
			continue
		}
		status := c.Status
		switch status {
		case auditv1.Status_STATUS_WARN:
			status = auditv1.Status_STATUS_FAIL
		case auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_ACCEPTED, auditv1.Status_STATUS_NOT_APPLICABLE:
		default: // a check that was not made, or a status of a later version
			status = auditv1.Status_STATUS_NOT_EVALUATED
		}
		if worst == auditv1.Status_STATUS_UNSPECIFIED || outcome.Order(status) > outcome.Order(worst) {
			worst = status
		}
	}
	return worst
}

// difference says why the checks say something else than the letter. An accepted finding is
// one: to accept a risk does not satisfy a control. A check that was not made is no judgement.
func difference(l *Letter, c *auditv1.Control, checks map[string]*auditv1.Check) string {
	found, passed := "", ""
	for _, e := range c.Checks {
		if e.Relation == auditv1.Relation_RELATION_NEEDS_HUMAN {
			continue
		}
		said := ""
		if check := checks[e.Check]; check != nil {
			said = fmt.Sprintf("%s: %s", check.Id, check.Summary)
		}
		switch e.Status {
		case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_ACCEPTED:
			found = cmp.Or(found, said)
		case auditv1.Status_STATUS_PASS:
			passed = cmp.Or(passed, said)
		}
	}
	switch {
	case c.Letter == auditv1.Status_STATUS_PASS && found != "":
		return explain(l.PassesBut, found)
	case c.Letter == auditv1.Status_STATUS_FAIL && found == "" && passed != "":
		return explain(l.FailsBut, passed)
	}
	return ""
}

func explain(reason, said string) string {
	return strings.TrimSuffix(cmp.Or(reason, "the check looks at more than the letter"), ".") + ". " + said
}
