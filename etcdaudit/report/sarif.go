package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// sarifObjects is how many objects of a finding a result names.
const sarifObjects = 20

// SARIF writes the findings in SARIF 2.1.0 (OASIS), for code hosts and their like. A result
// is a finding; what was accepted is a result that is suppressed. Hosts take every result for
// an alert, whatever its kind: so a pass is none, and what was not evaluated is a notification
// of the run.
func SARIF(w io.Writer, r *auditv1.Report) error {
	places := placesOf(r)
	driver := sarifDriver{
		Name: r.GetTool().GetName(), Version: r.GetTool().GetVersion(), InformationURI: "https://github.com/sealproof/sealproof", Rules: []sarifRule{},
	}
	// The exit status of the audit says whether something could not be evaluated; the tool
	// itself ran to its end, or there would be no report.
	invocation := sarifInvocation{ExecutionSuccessful: true, Notifications: []sarifNotification{}}
	results := []sarifResult{}
	for i, c := range r.Checks {
		driver.Rules = append(driver.Rules, ruleOf(c))
		for _, result := range c.Results {
			location := places.location(result)
			switch result.Status {
			case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_ACCEPTED:
				results = append(results, sarifResult{
					RuleID: c.Id, RuleIndex: i, Level: level(c.Severity), Message: sarifText{Text: sentence(r, result)},
					Locations: []sarifLocation{location}, Fingerprints: fingerprints(result), Suppressions: suppressions(r, c, result),
				})
			case auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_NOT_APPLICABLE:
			default: // an unknown status as well: it is no pass
				invocation.Notifications = append(invocation.Notifications, sarifNotification{
					Level: "warning", Message: sarifText{Text: statusName(result.Status) + ": " + sentence(r, result)},
					Rule: &sarifRuleReference{ID: c.Id, Index: i}, Locations: []sarifLocation{location},
				})
			}
		}
	}
	for _, l := range r.NotEvaluated {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{
			Level: "note", Message: sarifText{Text: statusName(l.Status) + ": " + l.Name + ": " + l.Reason}, Locations: []sarifLocation{{Physical: physical("")}},
		})
	}
	log := sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0",
		Runs: []sarifRun{{
			Tool: sarifTool{driver}, Invocations: []sarifInvocation{invocation}, Results: results,
			BaseIDs: map[string]sarifArtifact{nodeRoot: {URI: "file:///"}},
		}},
	}
	out, err := json.MarshalIndent(log, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	_, err = w.Write(append(out, '\n'))
	return err
}

func ruleOf(c *auditv1.Check) sarifRule {
	help := c.Title + "."
	for _, part := range []string{c.Why, c.Reads} {
		if part != "" {
			help += " " + capital(part) + "."
		}
	}
	rule := sarifRule{
		ID: c.Id, Short: sarifText{Text: c.Title}, Full: sarifText{Text: cmp.Or(capital(c.Why), c.Title)}, Help: sarifText{Text: help},
		Default: sarifConfiguration{Level: level(c.Severity)}, Properties: sarifRuleProperties{Tags: []string{"security", "kubernetes", "etcd"}},
	}
	// GitHub's scale: above 9 critical, from 7 high, from 4 medium, below low, none at all
	// for what is no risk.
	switch c.Severity {
	case auditv1.Severity_SEVERITY_CRITICAL:
		rule.Properties.SecuritySeverity = "9.5"
	case auditv1.Severity_SEVERITY_HIGH:
		rule.Properties.SecuritySeverity = "8.0"
	case auditv1.Severity_SEVERITY_MEDIUM:
		rule.Properties.SecuritySeverity = "5.5"
	case auditv1.Severity_SEVERITY_LOW:
		rule.Properties.SecuritySeverity = "2.0"
	}
	return rule
}

func level(s auditv1.Severity) string {
	switch {
	case s >= auditv1.Severity_SEVERITY_HIGH:
		return "error"
	case s == auditv1.Severity_SEVERITY_MEDIUM:
		return "warning"
	default:
		return "note"
	}
}

// sentence says what was found, of how many and first of which objects, and what to do.
func sentence(report *auditv1.Report, r *auditv1.Result) string {
	text := cmp.Or(r.Summary, r.Reason)
	if target := named(report, r); target != "" {
		text = target + ": " + text
	}
	if len(r.Objects) > 0 {
		var names []string
		for _, o := range r.Objects[:min(len(r.Objects), 3)] {
			names = append(names, nameOf(o))
		}
		text += " (" + strings.Join(names, ", ")
		if more := int64(r.Count) - int64(len(names)); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		text += ")"
	}
	if r.Remediation != "" {
		text += ". To do: " + r.Remediation
	}
	return text
}

func nameOf(o *auditv1.Object) string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return strings.TrimSpace(o.Resource + " " + name)
}

// fingerprints carry the finding's name across reports under a name of our own: GitHub makes
// its primaryLocationLineHash from the lines of a file, which no host has.
func fingerprints(r *auditv1.Result) map[string]string {
	if r.Fingerprint == "" {
		return nil
	}
	return map[string]string{"sealproof/v1": r.Fingerprint}
}

// suppressions are those acceptances that are in force. They are never left out where there
// are none: in one run either all results have the field or none (SARIF 2.1.0, 3.27.23).
func suppressions(r *auditv1.Report, c *auditv1.Check, result *auditv1.Result) []sarifSuppression {
	all := []sarifSuppression{}
	if result.Status != auditv1.Status_STATUS_ACCEPTED {
		return all
	}
	for _, a := range r.Acceptances {
		if a.State != auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE || a.Check != c.Id || !covers(a, result) {
			continue
		}
		text := a.Reason
		if a.CompensatingControl != "" {
			text += "; compensating control: " + a.CompensatingControl
		}
		text += "; accepted by " + a.Owner
		if a.Expires != nil {
			text += " until " + day(a.Expires)
		}
		all = append(all, sarifSuppression{Kind: "external", Status: "accepted", Justification: text})
	}
	if len(all) == 0 {
		all = append(all, sarifSuppression{Kind: "external", Status: "accepted", Justification: cmp.Or(result.Reason, "accepted")})
	}
	return all
}

// covers reports whether an acceptance is about a result: by its fingerprint or that of one of
// its objects, or by their names; on its node.
func covers(a *auditv1.Acceptance, r *auditv1.Result) bool {
	if a.Node != "" && r.Node != "" && a.Node != r.Node {
		return false
	}
	if a.Fingerprint == r.Fingerprint && a.Fingerprint != "" || a.Object == r.Target && a.Fingerprint == "" {
		return true
	}
	return slices.ContainsFunc(r.Objects, func(o *auditv1.Object) bool {
		if a.Fingerprint != "" {
			return a.Fingerprint == o.Fingerprint
		}
		return a.Object == nameOf(o) || a.Object == o.Namespace+"/"+o.Name || a.Object == o.Name
	})
}
