package outcome_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/outcome"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

const (
	pass         = auditv1.Status_STATUS_PASS
	fail         = auditv1.Status_STATUS_FAIL
	warn         = auditv1.Status_STATUS_WARN
	accepted     = auditv1.Status_STATUS_ACCEPTED
	inapplicable = auditv1.Status_STATUS_NOT_APPLICABLE
	unevaluated  = auditv1.Status_STATUS_NOT_EVALUATED
)

func reportOf(severity auditv1.Severity, statuses ...auditv1.Status) *auditv1.Report {
	c := &auditv1.Check{Id: "EA-1", Severity: severity}
	for _, s := range statuses {
		c.Results = append(c.Results, &auditv1.Result{Status: s, Summary: s.String()})
	}
	return &auditv1.Report{Checks: []*auditv1.Check{c}}
}

func TestTheVerdictOfOneCheck(t *testing.T) {
	const medium, low = auditv1.Severity_SEVERITY_MEDIUM, auditv1.Severity_SEVERITY_LOW
	optional := reportOf(medium, unevaluated)
	optional.Checks[0].Results[0].Optional = true
	unread := reportOf(medium, pass)
	unread.NotEvaluated = []*auditv1.Layer{{Id: outcome.NotFound}}
	elsewhere := reportOf(medium, pass)
	elsewhere.NotEvaluated = []*auditv1.Layer{{Id: outcome.OtherNode}, {Id: "wal"}}

	for name, tc := range map[string]struct {
		report         *auditv1.Report
		options        outcome.Options
		check, verdict auditv1.Status
	}{
		"it passes":                              {reportOf(medium, pass), outcome.Options{FailOn: medium}, pass, pass},
		"one target fails":                       {reportOf(medium, pass, fail, unevaluated), outcome.Options{FailOn: medium}, fail, fail},
		"a warning counts like a failure":        {reportOf(medium, pass, warn), outcome.Options{FailOn: medium}, warn, fail},
		"a finding below the limit":              {reportOf(low, fail), outcome.Options{FailOn: medium}, fail, pass},
		"a finding that was accepted":            {reportOf(medium, accepted, pass), outcome.Options{FailOn: medium}, accepted, pass},
		"one target was not evaluated":           {reportOf(medium, pass, unevaluated), outcome.Options{FailOn: medium}, unevaluated, unevaluated},
		"an optional input is missing":           {optional, outcome.Options{FailOn: medium}, unevaluated, pass},
		"an optional input is missing, strictly": {optional, outcome.Options{FailOn: medium, Strict: true}, unevaluated, unevaluated},
		"a status of a later version":            {reportOf(medium, pass, 99), outcome.Options{FailOn: medium}, pass, unevaluated},
		"no status":                              {reportOf(medium, pass, 0), outcome.Options{FailOn: medium}, 0, unevaluated},
		"a finding of an unknown severity":       {reportOf(0, fail), outcome.Options{FailOn: medium}, fail, fail},
		"no result":                              {reportOf(medium), outcome.Options{FailOn: medium}, inapplicable, pass},
		"something could not be found":           {unread, outcome.Options{FailOn: medium}, pass, unevaluated},
		"another node, and a layer":              {elsewhere, outcome.Options{FailOn: medium}, pass, pass},
		"too little was evaluated":               {optional, outcome.Options{FailOn: medium, MinCoverage: 1}, unevaluated, unevaluated},
		"enough was evaluated":                   {reportOf(medium, pass, inapplicable), outcome.Options{FailOn: medium, MinCoverage: 100}, pass, pass},
	} {
		t.Run(name, func(t *testing.T) {
			outcome.Settle(tc.report, tc.options)
			if got := tc.report.Checks[0]; got.Status != tc.check || got.Summary == "" {
				t.Errorf("the check: %v (%q), want %v", got.Status, got.Summary, tc.check)
			}
			if got := tc.report.Verdict; got.Status != tc.verdict {
				t.Errorf("the verdict: %v (%s), want %v", got.Status, got.Text, tc.verdict)
			}
		})
	}
}

func TestCoverageCountsTargets(t *testing.T) {
	r := reportOf(auditv1.Severity_SEVERITY_LOW, pass, fail, accepted, unevaluated, inapplicable)
	outcome.Settle(r, outcome.Options{})
	if c := r.Coverage; c.Evaluated != 3 || c.NotEvaluated != 1 || c.Optional != 0 {
		t.Error(c)
	}
}

// What a file of accepted risks says of itself must not make up for a check that was not made.
func TestChecksOfTheAuditItselfAreNoCoverage(t *testing.T) {
	r := reportOf(auditv1.Severity_SEVERITY_LOW, unevaluated)
	r.Checks = append(r.Checks, &auditv1.Check{Id: "EA-701", Results: []*auditv1.Result{{Status: pass}, {Status: pass}}})
	outcome.Settle(r, outcome.Options{MinCoverage: 1})
	if r.Coverage.Evaluated != 0 || r.Checks[1].Status != pass {
		t.Error(r)
	}
}

func TestTheGateOfCoverageSaysWhatWasEvaluated(t *testing.T) {
	r := reportOf(auditv1.Severity_SEVERITY_LOW, pass, pass, unevaluated)
	r.Checks[0].Results[2].Optional = true
	for minimum, want := range map[uint32]auditv1.Status{0: pass, 66: pass, 67: unevaluated} {
		outcome.Settle(r, outcome.Options{FailOn: auditv1.Severity_SEVERITY_LOW, MinCoverage: minimum})
		if r.Verdict.Status != want || want == unevaluated && r.Verdict.Text != "66 % of the targets were evaluated (2 of 3), and 67 % were asked for" {
			t.Errorf("at least %d: %v", minimum, r.Verdict)
		}
	}
}
