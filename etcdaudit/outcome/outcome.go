// Package outcome says what the results in a report come to: the status of each check, the
// verdict and the coverage. It is pure, and is asked again after results were accepted, or
// reports put together.
package outcome

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Options say what counts.
type Options struct {
	// FailOn is the least severity that makes the verdict a failure.
	FailOn auditv1.Severity
	// Strict makes what lacks an optional input count as not evaluated.
	Strict bool
	// MinCoverage is the least percentage of targets that have to be evaluated; 0 for none.
	MinCoverage uint32
}

// The ids of what is not evaluated and is no layer.
const (
	// NotFound could not be found or read: it makes the verdict NOT_EVALUATED.
	NotFound = "not-found"
	// OtherNode is a node that holds another part of the control plane.
	OtherNode = "other-node"
)

// Settle sets the status and summary of each check, the verdict and the coverage; and, where
// the report is about several nodes, the verdict of each.
func Settle(r *auditv1.Report, o Options) {
	for _, c := range r.Checks {
		settle(c)
	}
	unread := slices.ContainsFunc(r.NotEvaluated, func(l *auditv1.Layer) bool { return l.Id == NotFound })
	r.Coverage = coverage(r.Checks, o.MinCoverage)
	r.Verdict = verdict(r.Checks, r.Coverage, unread, o)
	settleNodes(r, o)
}

// settleNodes sets the verdict of each node, where a report is about several.
func settleNodes(r *auditv1.Report, o Options) {
	var hosts []*auditv1.Scope
	for _, s := range r.Scopes {
		if s.Verdict = nil; s.Node != "" {
			hosts = append(hosts, s)
		}
	}
	if len(hosts) < 2 {
		return
	}
	for _, s := range hosts {
		checks := make([]*auditv1.Check, 0, len(r.Checks))
		for _, c := range r.Checks {
			of := slices.DeleteFunc(slices.Clone(c.Results), func(result *auditv1.Result) bool { return result.Node != s.Node })
			checks = append(checks, &auditv1.Check{Id: c.Id, Severity: c.Severity, Results: of})
		}
		unread := slices.ContainsFunc(r.NotEvaluated, func(l *auditv1.Layer) bool { return l.Id == NotFound && l.Node == s.Node })
		s.Verdict = verdict(checks, coverage(checks, o.MinCoverage), unread, o)
	}
}

// Order is that in which statuses count, from 0: a finding before what was not evaluated,
// that before all else. A status that a later version has added is -1.
func Order(s auditv1.Status) int {
	return slices.Index([]auditv1.Status{
		auditv1.Status_STATUS_NOT_APPLICABLE, auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_ACCEPTED,
		auditv1.Status_STATUS_UNSPECIFIED, auditv1.Status_STATUS_NOT_EVALUATED, auditv1.Status_STATUS_ERROR, auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_FAIL,
	}, s)
}

func settle(c *auditv1.Check) {
	c.Status, c.Summary = auditv1.Status_STATUS_NOT_APPLICABLE, "there is nothing to check"
	for i, result := range c.Results {
		if i == 0 || Order(result.Status) > Order(c.Status) {
			c.Status, c.Summary = result.Status, cmp.Or(result.Summary, result.Reason)
		}
	}
}

// coverage counts the targets that were judged, and those that were not. Checks of the audit
// itself say nothing about how much was looked at.
func coverage(checks []*auditv1.Check, minimum uint32) *auditv1.Coverage {
	c := &auditv1.Coverage{MinimumPercent: minimum}
	for _, result := range results(checks) {
		switch result.Status {
		case auditv1.Status_STATUS_NOT_APPLICABLE:
		case auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_ACCEPTED, auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_FAIL:
			c.Evaluated++
		default: // a status that is not known here is no judgement
			c.NotEvaluated++
			if result.Optional {
				c.Optional++
			}
		}
	}
	return c
}

func results(checks []*auditv1.Check) (all []*auditv1.Result) {
	for _, c := range checks {
		if !strings.HasPrefix(c.Id, "EA-7") {
			all = append(all, c.Results...)
		}
	}
	return all
}

// verdict counts findings, and what could not be evaluated: a check, or a place that was not
// read and could have held anything.
func verdict(checks []*auditv1.Check, covered *auditv1.Coverage, unread bool, o Options) *auditv1.Verdict {
	var serious, minor, open []string
	for _, c := range checks {
		finding, unknown := false, false
		for _, r := range c.Results {
			switch r.Status {
			case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_WARN:
				finding = true
			case auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_ACCEPTED, auditv1.Status_STATUS_NOT_APPLICABLE:
			default: // also what a later version of the schema has added: it must not pass for good
				unknown = unknown || o.Strict || !r.Optional
			}
		}
		switch {
		case finding && (c.Severity >= o.FailOn || c.Severity == auditv1.Severity_SEVERITY_UNSPECIFIED):
			serious = append(serious, c.Id)
		case finding:
			minor = append(minor, c.Id)
		}
		if unknown {
			open = append(open, c.Id)
		}
	}
	v := &auditv1.Verdict{FailOn: o.FailOn, Strict: o.Strict}
	least := strings.ToLower(strings.TrimPrefix(o.FailOn.String(), "SEVERITY_"))
	switch {
	case len(serious) > 0:
		v.Status = auditv1.Status_STATUS_FAIL
		v.Text = fmt.Sprintf("finding at or above %s: %s", least, strings.Join(serious, ", "))
	case len(open) > 0:
		v.Status = auditv1.Status_STATUS_NOT_EVALUATED
		v.Text = "could not be evaluated: " + strings.Join(open, ", ")
	case unread:
		v.Status = auditv1.Status_STATUS_NOT_EVALUATED
		v.Text = "what is listed below could not be read or found"
	case percent(covered) < covered.MinimumPercent:
		v.Status = auditv1.Status_STATUS_NOT_EVALUATED
		v.Text = fmt.Sprintf("%d %% of the targets were evaluated (%d of %d), and %d %% were asked for", percent(covered), covered.Evaluated, covered.Evaluated+covered.NotEvaluated, covered.MinimumPercent)
	default:
		v.Status = auditv1.Status_STATUS_PASS
		v.Text = "no finding at or above " + least
	}
	if len(minor) > 0 {
		v.Text += "; below it: " + strings.Join(minor, ", ")
	}
	return v
}

// percent is what part of the targets was evaluated, rounded down: 100 where all were, or
// where there are none.
func percent(c *auditv1.Coverage) uint32 {
	all := uint64(c.Evaluated) + uint64(c.NotEvaluated)
	if all == 0 {
		return 100
	}
	return uint32(uint64(c.Evaluated) * 100 / all) //nolint:gosec // at most 100
}

// Fingerprint names a finding across reports, as proto/README.md describes it. Without an
// identity there is nothing that tells the finding from others: it is then empty.
func Fingerprint(id string, identity []string, object ...string) string {
	if len(identity) == 0 {
		return ""
	}
	h := sha256.New()
	for _, f := range slices.Concat([]string{id}, identity, object) {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(f), f)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}
