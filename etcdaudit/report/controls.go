package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// acceptances lists every accepted risk, in force or not.
func (p *printer) acceptances(list []*auditv1.Acceptance) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("Accepted risks:")
	for _, a := range list {
		day := a.GetExpires().AsTime().Format(time.DateOnly)
		state := "NOT EVALUATED in this report; until " + day
		switch a.State {
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE:
			state = "until " + day
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED:
			state = "EXPIRED, was until " + day
		case auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED:
			state = "UNUSED, there is no such finding; until " + day
		}
		what := cmp.Or(a.Object, a.Fingerprint)
		if a.Node != "" {
			what += " on " + a.Node
		}
		text := fmt.Sprintf("%s %s: %s, by %s: %s", a.Check, what, state, a.Owner, a.Reason)
		if a.CompensatingControl != "" {
			text += ". Instead: " + a.CompensatingControl
		}
		p.wrap("    ", "  %s", text)
	}
}

// catalogueTally counts the controls of one catalogue.
type catalogueTally struct {
	name                                string
	all, found, passed, partly          int
	accepted, open, inapplicable, human int
	unverified                          int
	differ                              []string
}

// controls says in a line for each catalogue what the evidence comes to. JSON has each
// control.
func (p *printer) controls(list []*auditv1.Control) {
	if len(list) == 0 {
		return
	}
	var tallies []*catalogueTally
	for _, c := range list {
		name := c.Catalogue + " " + c.Version
		if len(tallies) == 0 || tallies[len(tallies)-1].name != name {
			tallies = append(tallies, &catalogueTally{name: name})
		}
		tallies[len(tallies)-1].add(c)
	}
	p.line("")
	p.line("Evidence for controls, which is no statement that they are met (--output json has each):")
	for _, t := range tallies {
		p.wrap("    ", "  %s", t)
	}
}

func (t *catalogueTally) add(c *auditv1.Control) {
	t.all++
	if !c.Verified {
		t.unverified++
	}
	if c.Difference != "" {
		t.differ = append(t.differ, c.Id)
	}
	switch c.Evidence {
	case auditv1.Status_STATUS_FAIL:
		t.found++
	case auditv1.Status_STATUS_PASS:
		t.passed++
		if c.Reach != auditv1.Relation_RELATION_EVIDENCES {
			t.partly++
		}
	case auditv1.Status_STATUS_ACCEPTED:
		t.accepted++
	case auditv1.Status_STATUS_NOT_APPLICABLE:
		t.inapplicable++
	case auditv1.Status_STATUS_UNSPECIFIED:
		t.human++
	default:
		t.open++
	}
}

func (t *catalogueTally) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		said string
	}{
		{t.found, "with a finding"}, {t.passed, "with evidence that passes"}, {t.accepted, "with an accepted risk"}, {t.open, "not evaluated"},
		{t.inapplicable, "not applicable"}, {t.human, "for a human alone"},
	} {
		if part.n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", part.n, part.said)
		if part.said == "with evidence that passes" && t.partly > 0 {
			text += fmt.Sprintf(" (%d in part only)", t.partly)
		}
		parts = append(parts, text)
	}
	noun := "controls"
	if t.all == 1 {
		noun = "control"
	}
	text := fmt.Sprintf("%s: %d %s, %s", t.name, t.all, noun, strings.Join(parts, ", "))
	if t.unverified > 0 {
		text += "; unverified against the published text"
	}
	if len(t.differ) > 0 {
		text += "; letter and evidence differ: " + strings.Join(t.differ, ", ")
	}
	return text
}
