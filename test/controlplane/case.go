package controlplane

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
)

// Etcd is the node's etcd.
func (n *Node) Etcd() *facts.Etcd { return &n.Facts.Host.Etcds[0] }

// APIServer is the node's API server.
func (n *Node) APIServer() *facts.APIServer { return &n.Facts.Host.APIServers[0] }

// Case is a node with one thing changed, and what a rule must say of one target.
type Case struct {
	Name   string
	Change func(*Node) // nil for none
	// Target is a part of its name; empty where the rule has one that it says this of.
	Target string
	Status check.Status
	Says   string // in the summary or the reason
	Fix    string // in the remedy
	// Expected is whether the check could not be made by design.
	Expected bool
}

// Run judges every case by the rule of an id. The cases must hold a pass, a finding and
// one that is not evaluated.
func Run(t *testing.T, id string, cases ...Case) {
	t.Helper()
	var statuses []check.Status
	for _, tt := range cases {
		statuses = append(statuses, tt.Status)
		t.Run(tt.Name, func(t *testing.T) {
			n := New(t)
			if tt.Change != nil {
				tt.Change(n)
			}
			results := Results(t, id, n.Facts)
			for _, r := range results {
				rests(t, r)
			}
			if tt.Target != "" {
				results = slices.DeleteFunc(results, func(r check.Result) bool { return !strings.Contains(r.Target, tt.Target) })
			}
			if len(results) != 1 {
				t.Fatalf("%d results: %+v", len(results), results)
			}
			r := results[0]
			if said := r.Summary + r.Reason; r.Status != tt.Status || !strings.Contains(said, tt.Says) || r.Expected != tt.Expected {
				t.Errorf("%v (expected %t): %s\nwant %v (%t): %q", r.Status, r.Expected, said, tt.Status, tt.Expected, tt.Says)
			}
			if !strings.Contains(r.Remedy, tt.Fix) {
				t.Errorf("the remedy is %q, want %q in it", r.Remedy, tt.Fix)
			}
		})
	}
	for _, s := range []check.Status{check.Pass, check.NotEvaluated} {
		if !slices.Contains(statuses, s) {
			t.Errorf("no case is %v", s)
		}
	}
	if !slices.ContainsFunc(statuses, check.Status.Finding) {
		t.Error("no case is a finding")
	}
}

// Results are what the rule of an id says.
func Results(t testing.TB, id string, f facts.Facts) []check.Result {
	t.Helper()
	all := rules.All()
	i := slices.IndexFunc(all, func(r check.Rule[facts.Facts]) bool { return r.ID == id })
	if i < 0 {
		t.Fatalf("there is no rule %s", id)
	}
	return check.Evaluate(all[i:i+1], f)[0].Results
}

// rests checks that a result rests on something, and that a finding says what to do.
func rests(t *testing.T, r check.Result) {
	t.Helper()
	switch r.Status {
	case check.Pass, check.Warn, check.Fail:
		if len(r.Evidence) == 0 || len(r.Identity) == 0 || r.Target == "" || r.Summary == "" || r.Reason != "" {
			t.Errorf("a verdict that rests on nothing: %+v", r)
		}
	default:
		if r.Reason == "" || r.Summary != "" {
			t.Errorf("no verdict, and no reason: %+v", r)
		}
	}
	if r.Status.Finding() && r.Remedy == "" || r.Status == check.Pass && r.Remedy != "" {
		t.Errorf("%v with the remedy %q", r.Status, r.Remedy)
	}
}
