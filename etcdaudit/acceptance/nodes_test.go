package acceptance_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

// ofNodes is a report about some nodes, each with a finding about the same target and a
// plaintext Secret, and the last with one more.
func ofNodes(names ...string) *auditv1.Report {
	r := &auditv1.Report{Checks: []*auditv1.Check{{Id: "EA-101"}, {Id: "EA-305"}}}
	for i, name := range names {
		r.Scopes = append(r.Scopes, &auditv1.Scope{Id: "host:" + name, Node: name}, &auditv1.Scope{Id: "live " + name})
		r.Checks[0].Results = append(r.Checks[0].Results, &auditv1.Result{Node: name, Status: fail, Objects: []*auditv1.Object{{Resource: "secrets", Namespace: "default", Name: "a", Fingerprint: hex("a")}}})
		r.Checks[1].Results = append(r.Checks[1].Results, &auditv1.Result{Node: name, Target: address, Status: warn, Fingerprint: hex("012"[i : i+1])})
	}
	r.Checks[1].Results = append(r.Checks[1].Results, &auditv1.Result{Node: names[len(names)-1], Target: "alone", Status: warn, Fingerprint: hex("9")})
	return r
}

func onNode(e acceptance.Entry, node string) acceptance.Entry {
	e.Node = node
	return e
}

// A risk was looked at on one node: on another one the same name may be something else.
func TestAnEntryIsAboutOneNode(t *testing.T) {
	const inForce, open, unused = auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE, auditv1.AcceptanceState_ACCEPTANCE_STATE_NOT_EVALUATED, auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED
	for name, tc := range map[string]struct {
		nodes []string
		entry acceptance.Entry
		state auditv1.AcceptanceState // unspecified where it is refused
		at    string                  // the nodes whose result of EA-305 or object of EA-101 is accepted
	}{
		"a name on two nodes":               {[]string{"n1", "n2"}, entry("EA-305", address, ""), 0, ""},
		"an object on two nodes":            {[]string{"n1", "n2"}, entry("EA-101", "default/a", ""), 0, ""},
		"a node is given":                   {[]string{"n1", "n2"}, onNode(entry("EA-305", address, ""), "n2"), inForce, "n2"},
		"a node, and an object":             {[]string{"n1", "n2"}, onNode(entry("EA-101", "default/a", ""), "n1"), inForce, "n1"},
		"a fingerprint of one result":       {[]string{"n1", "n2"}, entry("EA-305", address, hex("0")), inForce, "n1"},
		"one fingerprint on both":           {[]string{"n1", "n2"}, entry("EA-101", "", hex("a")), inForce, "n1n2"},
		"one fingerprint, and a node":       {[]string{"n1", "n2"}, onNode(entry("EA-101", "", hex("a")), "n2"), inForce, "n2"},
		"a name on one of two":              {[]string{"n1", "n2"}, entry("EA-305", "alone", ""), inForce, "n2"},
		"not on that node":                  {[]string{"n1", "n2"}, onNode(entry("EA-305", "alone", ""), "n1"), unused, ""},
		"a report about one node":           {[]string{"n1"}, entry("EA-305", address, ""), inForce, "n1"},
		"a report about another node":       {[]string{"n1"}, onNode(entry("EA-305", address, ""), "n2"), open, ""},
		"a report about this node, by name": {[]string{"n1"}, onNode(entry("EA-305", address, ""), "n1"), inForce, "n1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := ofNodes(tc.nodes...)
			if len(tc.nodes) == 1 { // data is of no node there
				r.Checks[1].Results[0].Node = ""
			}
			before := proto.CloneOf(r)
			err := acceptance.Apply(r, []acceptance.Entry{tc.entry}, day(1))
			if tc.state == 0 {
				want := "accepted.yaml, line 1: " + tc.entry.Check + " " + tc.entry.Object + " is on several nodes (n1, n2): give node or fingerprint"
				if err == nil || err.Error() != want || !proto.Equal(before, r) {
					t.Errorf("%v\n%v", err, r)
				}
				return
			}
			at := ""
			for i, n := range tc.nodes {
				if r.Checks[0].Results[i].Objects[0].Accepted || r.Checks[1].Results[i].Status == accepted || i == 1 && r.Checks[1].Results[2].Status == accepted {
					at += n
				}
			}
			if err != nil || at != tc.at || r.Acceptances[0].State != tc.state || r.Acceptances[0].Node != tc.entry.Node {
				t.Errorf("%v: at %q: %v", err, at, r.Acceptances)
			}
			if tc.state == unused {
				if got := check(t, r, "EA-702").Results[0]; got.Node != tc.entry.Node || !strings.Contains(got.Target, "alone on n1") {
					t.Errorf("%v", got)
				}
			}
		})
	}
}

func TestTheFindingOfANodeIsFound(t *testing.T) {
	r := ofNodes("n1", "n2")
	got := testkit.Must(acceptance.Find(r, "EA-305", address, "", "n2"))(t)
	if want := (acceptance.Entry{Check: "EA-305", Object: address, Fingerprint: hex("1"), Node: "n2"}); got != want {
		t.Errorf("%+v", got)
	}
	if _, err := acceptance.Find(r, "EA-305", address, "", ""); err == nil || !strings.Contains(err.Error(), "choose one by its object, node or fingerprint: "+address+" on n1 (0000") {
		t.Error(err)
	}
	if _, err := acceptance.Find(r, "EA-305", address, "", "n3"); err == nil || !strings.Contains(err.Error(), `not about a node "n3"; its nodes: n1, n2`) {
		t.Error(err)
	}
}
