package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// noTime is the duration of what took none: some readers refuse an empty one.
const noTime = "0"

// JUnit writes the report for CI: a suite for each check, a case for each target. A finding at
// or above the severity that fails the audit is a failure, one below it is told in the output
// of a case that succeeds. What was accepted, does not apply or was not evaluated is skipped,
// with the reason.
func JUnit(w io.Writer, r *auditv1.Report) error {
	all := junit.Testsuites{Name: r.GetTool().GetName(), Time: noTime}
	suite := func(name string) junit.Testsuite {
		s := junit.Testsuite{ID: len(all.Suites), Name: name, Time: noTime}
		if t := madeAt(r); !t.IsZero() {
			s.SetTimestamp(t)
		}
		return s
	}
	for _, c := range r.Checks {
		s := suite(c.Id + " " + c.Title)
		for _, result := range c.Results {
			s.AddTestcase(testCase(c, result, named(r, result), r.GetVerdict().GetFailOn()))
		}
		if len(c.Results) == 0 {
			s.AddTestcase(testCase(c, &auditv1.Result{Status: c.Status, Reason: c.Summary}, "", r.GetVerdict().GetFailOn()))
		}
		all.AddSuite(s)
	}
	if len(r.NotEvaluated) > 0 {
		s := suite("Not evaluated")
		for _, l := range r.NotEvaluated {
			s.AddTestcase(junit.Testcase{
				Name: strings.TrimSpace(l.Name + " " + l.Store), Classname: "etcdaudit.not-evaluated", Time: noTime,
				Skipped: &junit.Result{Message: statusName(l.Status) + ": " + l.Reason},
			})
		}
		all.AddSuite(s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	return all.WriteXML(w)
}

func testCase(c *auditv1.Check, r *auditv1.Result, target string, failOn auditv1.Severity) junit.Testcase {
	one := junit.Testcase{Name: cmp.Or(target, c.Title), Classname: "etcdaudit." + c.Id, Time: noTime}
	said := statusName(r.Status) + ": " + cmp.Or(r.Summary, r.Reason)
	result := &junit.Result{Message: said, Type: severityName(c.Severity), Data: details(r)}
	switch r.Status {
	case auditv1.Status_STATUS_PASS:
		one.SystemOut = &junit.Output{Data: said}
	case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_WARN:
		if c.Severity >= failOn {
			one.Failure = result
		} else {
			one.SystemOut = &junit.Output{Data: fmt.Sprintf("%s (%s, below %s)\n%s", said, severityName(c.Severity), severityName(failOn), details(r))}
		}
	case auditv1.Status_STATUS_ACCEPTED, auditv1.Status_STATUS_NOT_APPLICABLE, auditv1.Status_STATUS_NOT_EVALUATED:
		one.Skipped = result
	default: // an error, or a status that this version does not know
		one.Error = result
	}
	return one
}

// details are the objects, the evidence, and what to do.
func details(r *auditv1.Result) string {
	var out strings.Builder
	for _, o := range r.Objects[:min(len(r.Objects), listed)] {
		out.WriteString(nameOf(o))
		if o.Detail != "" {
			out.WriteString(": " + o.Detail)
		}
		out.WriteByte('\n')
	}
	if more := int64(r.Count) - listed; len(r.Objects) > 0 && more > 0 {
		fmt.Fprintf(&out, "and %d more\n", more)
	}
	for _, e := range r.Evidence {
		fmt.Fprintf(&out, "Seen: %s: %s\n", e.Source, e.Seen)
	}
	if r.Remediation != "" {
		fmt.Fprintf(&out, "To do: %s\n", r.Remediation)
	}
	return out.String()
}
