package report

import (
	"fmt"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// The exit statuses of etcdaudit. 3, for a call that was wrong, is that of all
// commands.
const (
	ExitPass         = 0
	ExitFindings     = 1
	ExitNotEvaluated = 2
)

// ExitStatus is the exit status that goes with a report.
func ExitStatus(r *auditv1.Report) int { return ExitStatusOf(r.GetVerdict().GetStatus()) }

// ExitStatusOf is the exit status that goes with the outcome of everything.
func ExitStatusOf(s auditv1.Status) int {
	switch s {
	case auditv1.Status_STATUS_PASS:
		return ExitPass
	case auditv1.Status_STATUS_FAIL:
		return ExitFindings
	default:
		return ExitNotEvaluated
	}
}

// ParseSeverity reads "info", "low", "medium", "high" or "critical".
func ParseSeverity(s string) (auditv1.Severity, error) {
	n, ok := auditv1.Severity_value["SEVERITY_"+strings.ToUpper(s)]
	if severity := auditv1.Severity(n); ok && severity != auditv1.Severity_SEVERITY_UNSPECIFIED && strings.ToLower(s) == s {
		return severity, nil
	}
	return 0, fmt.Errorf("severity %q: want info, low, medium, high or critical", s)
}

func severityName(s auditv1.Severity) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SEVERITY_"))
}

func statusName(s auditv1.Status) string {
	return strings.ReplaceAll(strings.TrimPrefix(s.String(), "STATUS_"), "_", " ")
}
