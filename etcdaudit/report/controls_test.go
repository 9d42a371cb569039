package report_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/golden"
)

// signed is a report with risks in every state, and controls whose evidence comes to
// everything that it can.
func signed() *auditv1.Report {
	const fail, accepted = auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_ACCEPTED
	expires := timestamppb.New(time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC))
	r := &auditv1.Report{
		Scopes:   []*auditv1.Scope{{Text: "host node-1", Layer: "host", LayerName: "host"}},
		Verdict:  &auditv1.Verdict{Status: fail, Text: "finding at or above medium: EA-101"},
		Coverage: &auditv1.Coverage{Evaluated: 9, NotEvaluated: 1, MinimumPercent: 80},
		Checks: []*auditv1.Check{
			{Id: "EA-101", Title: "Secrets are not stored as plaintext", Severity: auditv1.Severity_SEVERITY_HIGH, Status: fail, Results: []*auditv1.Result{{
				Target: "live", Status: fail, Found: fail, Summary: "2 of 2 Secrets can be read", Reason: "1 of 2 are accepted, and 1 are left", Remediation: "encrypt them", Count: 2, Accepted: 1,
				Objects: []*auditv1.Object{{Resource: "secrets", Namespace: "default", Name: "a", Accepted: true}, {Resource: "secrets", Namespace: "default", Name: "b"}},
			}}},
			{Id: "EA-305", Title: "An accepted certificate is not full access", Severity: auditv1.Severity_SEVERITY_LOW, Status: accepted, Results: []*auditv1.Result{{
				Target: "https://192.0.2.1:2379", Status: accepted, Found: auditv1.Status_STATUS_WARN, Summary: "full access", Reason: "accepted by team-storage until 2027-06-30: one node", Remediation: "turn on RBAC",
			}}},
		},
	}
	for state, object := range []string{auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE: "https://192.0.2.1:2379", auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED: "expired", auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED: "gone", auditv1.AcceptanceState_ACCEPTANCE_STATE_NOT_EVALUATED: "elsewhere"} {
		if object != "" {
			r.Acceptances = append(r.Acceptances, &auditv1.Acceptance{Check: "EA-305", Object: object, Owner: "team-storage", Reason: "one node", Expires: expires, State: auditv1.AcceptanceState(state)})
		}
	}
	r.Acceptances[0].CompensatingControl = "a firewall"
	for i, evidence := range []auditv1.Status{fail, auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_PASS, accepted, auditv1.Status_STATUS_NOT_EVALUATED, auditv1.Status_STATUS_NOT_APPLICABLE, auditv1.Status_STATUS_UNSPECIFIED} {
		c := &auditv1.Control{Catalogue: "CIS Kubernetes Benchmark", Version: "1.12", Id: string(rune('1' + i)), Evidence: evidence, Reach: auditv1.Relation_RELATION_EVIDENCES}
		if i == 1 {
			c.Reach, c.Difference = auditv1.Relation_RELATION_PARTLY, "the letter asks for a flag"
		}
		r.Controls = append(r.Controls, c)
	}
	r.Controls = append(r.Controls, &auditv1.Control{Catalogue: "DISA Kubernetes STIG", Version: "V2R6", Id: "V-1", Verified: true, Evidence: auditv1.Status_STATUS_PASS, Reach: auditv1.Relation_RELATION_EVIDENCES})
	return r
}

func TestControlsAndAcceptedRisksStandInTheTable(t *testing.T) {
	table, _ := written(t, signed())
	golden.Compare(t, "signed.txt", table, *update)
}
