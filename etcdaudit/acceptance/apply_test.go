package acceptance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

const (
	pass        = auditv1.Status_STATUS_PASS
	fail        = auditv1.Status_STATUS_FAIL
	warn        = auditv1.Status_STATUS_WARN
	accepted    = auditv1.Status_STATUS_ACCEPTED
	unevaluated = auditv1.Status_STATUS_NOT_EVALUATED
	address     = "https://192.0.2.1:2379"
)

// found is a report with a finding about an address, two plaintext Secrets of which one may
// not be listed, a check that passes and one that was not evaluated.
func found(omitted uint32) *auditv1.Report {
	return &auditv1.Report{Checks: []*auditv1.Check{
		{Id: "EA-101", Severity: auditv1.Severity_SEVERITY_HIGH, Results: []*auditv1.Result{{
			Target: "live:a:/registry/", Fingerprint: hex("1"), Status: fail, Summary: "plaintext", Count: 2 + omitted, ObjectsOmitted: omitted,
			Objects: []*auditv1.Object{{Resource: "secrets", Namespace: "default", Name: "a", Fingerprint: hex("a")}, {Resource: "secrets", Namespace: "default", Name: "b", Fingerprint: hex("b")}},
		}}},
		{Id: "EA-302", Severity: auditv1.Severity_SEVERITY_HIGH, Results: []*auditv1.Result{{Target: address, Status: pass}}},
		{Id: "EA-305", Severity: auditv1.Severity_SEVERITY_MEDIUM, Results: []*auditv1.Result{{Target: address, Fingerprint: hex("2"), Status: warn, Summary: "full access"}, {Target: "https://192.0.2.2:2379", Status: warn, Fingerprint: hex("3")}}},
		{Id: "EA-320", Severity: auditv1.Severity_SEVERITY_MEDIUM, Results: []*auditv1.Result{{Target: address, Status: unevaluated}}},
	}}
}

// hex is a fingerprint of one digit.
func hex(digit string) string { return strings.Repeat(digit, 32) }

func entry(check, object, fingerprint string) acceptance.Entry {
	return acceptance.Entry{
		Check: check, Object: object, Fingerprint: fingerprint, Owner: "team-storage", Reason: "one node", Source: "accepted.yaml, line 1",
		Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC),
	}
}

// day is noon of a day of June 2027.
func day(d int) time.Time { return time.Date(2027, 6, d, 12, 0, 0, 0, time.UTC) }

func check(t *testing.T, r *auditv1.Report, id string) *auditv1.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Id == id {
			return c
		}
	}
	t.Fatalf("no %s", id)
	return nil
}

func TestWhatBecomesOfAnEntry(t *testing.T) {
	const inForce, expired = auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE, auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED
	const unused, open = auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED, auditv1.AcceptanceState_ACCEPTANCE_STATE_NOT_EVALUATED
	for name, tc := range map[string]struct {
		entry    acceptance.Entry
		now      int
		state    auditv1.AcceptanceState
		findings uint32
	}{
		"a target is accepted by its name":                     {entry("EA-305", address, ""), 1, inForce, 1},
		"by its fingerprint, whatever the object says":         {entry("EA-305", "the old name", hex("2")), 1, inForce, 1},
		"an object by namespace and name":                      {entry("EA-101", "default/a", ""), 1, inForce, 1},
		"an object by resource, namespace and name":            {entry("EA-101", "secrets default/a", ""), 1, inForce, 1},
		"an object by its fingerprint":                         {entry("EA-101", "", hex("a")), 1, inForce, 1},
		"it is in force on its last day":                       {entry("EA-305", address, ""), 30, inForce, 1},
		"and not on the next one":                              {entry("EA-305", address, ""), 31, expired, 1},
		"it has expired, and nothing is left of it":            {entry("EA-302", address, ""), 31, expired, 0},
		"there is no such finding":                             {entry("EA-302", address, ""), 1, unused, 0},
		"the fingerprint is another one":                       {entry("EA-305", address, hex("9")), 1, unused, 0},
		"the name of an object alone is not its namespace's":   {entry("EA-101", "a", ""), 1, unused, 0},
		"the check was not evaluated":                          {entry("EA-320", address, ""), 1, open, 0},
		"the check was not made":                               {entry("EA-403", "etcd", ""), 1, open, 0},
		"a fingerprint of another check's finding is no match": {entry("EA-302", "", hex("2")), 1, unused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := found(0)
			testkit.Check(t, acceptance.Apply(r, []acceptance.Entry{tc.entry}, day(tc.now)))
			a := r.Acceptances[0]
			if a.State != tc.state || a.Findings != tc.findings || a.Owner != "team-storage" || a.Source == "" || a.Expires.AsTime() != tc.entry.Expires {
				t.Errorf("%v", a)
			}
			wantExpired, wantUnused := pass, pass
			switch tc.state {
			case expired:
				wantExpired = fail
			case unused:
				wantUnused = warn
			}
			for id, want := range map[string]auditv1.Status{"EA-701": wantExpired, "EA-702": wantUnused} {
				if got := check(t, r, id).Results; len(got) != 1 || got[0].Status != want || (want == fail || want == warn) && (got[0].Fingerprint == "" || got[0].Remediation == "") {
					t.Errorf("%s: %v", id, got)
				}
			}
		})
	}
}

// An object that is not listed may still be there.
func TestAnEntryIsNotUnusedWhereNotAllObjectsAreListed(t *testing.T) {
	for omitted, want := range map[uint32]auditv1.AcceptanceState{0: auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED, 1: auditv1.AcceptanceState_ACCEPTANCE_STATE_NOT_EVALUATED} {
		r := found(omitted)
		testkit.Check(t, acceptance.Apply(r, []acceptance.Entry{entry("EA-101", "default/z", "")}, day(1)))
		if got := r.Acceptances[0].State; got != want {
			t.Errorf("%d are not listed: %v", omitted, got)
		}
	}
}

func TestAFindingIsAcceptedOnlyIfNothingOfItIsLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		omitted  uint32
		entries  []acceptance.Entry
		status   auditv1.Status
		accepted uint32
		says     string
	}{
		"none of its objects":                       {0, nil, fail, 0, ""},
		"one of two":                                {0, []acceptance.Entry{entry("EA-101", "default/a", "")}, fail, 1, "1 of 2 are accepted, and 1 are left"},
		"both":                                      {0, []acceptance.Entry{entry("EA-101", "default/a", ""), entry("EA-101", "", hex("b"))}, accepted, 2, "each of its objects is accepted"},
		"both, and one more that is not listed":     {1, []acceptance.Entry{entry("EA-101", "default/a", ""), entry("EA-101", "default/b", "")}, fail, 2, "2 of 3"},
		"the whole, also what is not listed":        {1, []acceptance.Entry{entry("EA-101", "live:a:/registry/", "")}, accepted, 3, "accepted by team-storage until 2027-06-30: one node"},
		"the whole, and one of its objects as well": {0, []acceptance.Entry{entry("EA-101", "default/a", ""), entry("EA-101", "", hex("1"))}, accepted, 2, "team-storage"},
	} {
		t.Run(name, func(t *testing.T) {
			r := found(tc.omitted)
			testkit.Check(t, acceptance.Apply(r, tc.entries, day(1)))
			outcome.Settle(r, outcome.Options{FailOn: auditv1.Severity_SEVERITY_HIGH})
			got := check(t, r, "EA-101").Results[0]
			if got.Status != tc.status || got.Accepted != tc.accepted || !strings.Contains(got.Reason, tc.says) || got.Summary != "plaintext" || len(got.Objects) != 2 {
				t.Errorf("%v", got)
			}
			if fails := r.Verdict.Status == fail; fails != (tc.status == fail) {
				t.Errorf("%v", r.Verdict)
			}
		})
	}
}

// What was accepted in a stored report must count again once that has expired, and the report
// must be what it would have been without the first file.
func TestAnEarlierAcceptanceIsTakenBack(t *testing.T) {
	r, entries := found(0), []acceptance.Entry{entry("EA-101", "default/a", ""), entry("EA-305", address, hex("2")), entry("EA-302", "gone", "")}
	testkit.Check(t, acceptance.Apply(r, entries, day(1)))
	if check(t, r, "EA-305").Results[0].Status != accepted {
		t.Fatal("nothing was accepted")
	}
	again := proto.CloneOf(r)
	testkit.Check(t, acceptance.Apply(again, entries, day(1)))
	if diff := cmp.Diff(r, again, protocmp.Transform()); diff != "" {
		t.Errorf("applied twice: %s", diff)
	}
	testkit.Check(t, acceptance.Apply(r, entries, day(31)))
	if got := check(t, r, "EA-305").Results[0]; got.Status != warn || got.Reason != "" {
		t.Errorf("%v", got)
	}
	if got := check(t, r, "EA-701").Results; len(got) != 3 || !strings.Contains(got[0].Summary, "counts again") {
		t.Errorf("%v", got)
	}
	testkit.Check(t, acceptance.Apply(r, nil, day(1)))
	want := found(0)
	testkit.Check(t, acceptance.Apply(want, nil, day(1)))
	if diff := cmp.Diff(want, r, protocmp.Transform()); diff != "" {
		t.Errorf("without entries: %s", diff)
	}
}

// A stored report is settled without the file that was applied to it.
func TestWhatAReportListsIsAppliedAnew(t *testing.T) {
	r := found(0)
	testkit.Check(t, acceptance.Renew(r, day(1)))
	if diff := cmp.Diff(found(0), r, protocmp.Transform()); diff != "" {
		t.Errorf("nothing was accepted in it: %s", diff)
	}
	entries := []acceptance.Entry{entry("EA-101", "default/a", ""), onNode(entry("EA-305", address, hex("2")), "n"), entry("EA-302", "gone", "")}
	for name, file := range map[string][]acceptance.Entry{"three entries": entries, "an empty file": nil} {
		for _, d := range []int{1, 31} {
			r, want := found(0), found(0)
			for _, r := range []*auditv1.Report{r, want} {
				r.Scopes = []*auditv1.Scope{{Node: "n"}}
			}
			testkit.Check(t, acceptance.Apply(r, file, day(1)))
			r.Acceptances = append(r.Acceptances, r.Acceptances...) // as in the reports of two nodes with one file
			testkit.Check(t, acceptance.Renew(r, day(d)))
			testkit.Check(t, acceptance.Apply(want, file, day(d)))
			if diff := cmp.Diff(want, r, protocmp.Transform()); diff != "" {
				t.Errorf("%s, day %d: %s", name, d, diff)
			}
		}
	}
	// A report that was tampered with accepts nothing without a date, or by no name.
	r = found(0)
	r.Checks[0].Results[0].Target = ""
	r.Acceptances = []*auditv1.Acceptance{{Check: "EA-305", Fingerprint: hex("2")}, {Check: "EA-101", Expires: timestamppb.New(day(31))}}
	testkit.Check(t, acceptance.Renew(r, day(1)))
	if a, b := check(t, r, "EA-305").Results[0], check(t, r, "EA-101").Results[0]; a.Status != warn || b.Status != fail {
		t.Errorf("%v %v", a, b)
	}
}

func TestTheChecksStandInTheOrderOfTheirIDs(t *testing.T) {
	r := found(0)
	r.Checks = append(r.Checks, &auditv1.Check{Id: "EA-801"})
	testkit.Check(t, acceptance.Apply(r, nil, day(1)))
	var ids []string
	for _, c := range r.Checks {
		ids = append(ids, c.Id)
	}
	if got := fmt.Sprint(ids); got != "[EA-101 EA-302 EA-305 EA-320 EA-701 EA-702 EA-801]" {
		t.Error(got)
	}
}

func TestTheFindingToAcceptIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		check, object, fingerprint string
		want                       acceptance.Entry
		says                       string
	}{
		"the only one":                     {check: "EA-101", want: acceptance.Entry{Check: "EA-101", Object: "live:a:/registry/", Fingerprint: hex("1")}},
		"a target, and the id in any case": {check: "ea-305", object: address, want: acceptance.Entry{Check: "EA-305", Object: address, Fingerprint: hex("2")}},
		"a fingerprint":                    {check: "EA-305", fingerprint: hex("3"), want: acceptance.Entry{Check: "EA-305", Object: "https://192.0.2.2:2379", Fingerprint: hex("3")}},
		"an object":                        {check: "EA-101", object: "default/b", want: acceptance.Entry{Check: "EA-101", Object: "secrets default/b", Fingerprint: hex("b")}},
		"one of several":                   {check: "EA-305", says: "EA-305 has 2 such findings in the report: choose one by its object, node or fingerprint: " + address},
		"no such object":                   {check: "EA-101", object: "default/z", says: "EA-101 has no such finding in the report; its findings are about live:a:/registry/"},
		"a check that passes":              {check: "EA-302", says: "nothing to accept"},
		"no such check":                    {check: "EA-999", says: `no check "EA-999"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := acceptance.Find(found(0), tc.check, tc.object, tc.fingerprint, "")
			if got != tc.want || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
