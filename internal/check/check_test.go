package check_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/internal/check"
)

type facts struct{ swap, seen bool }

func rules() []check.Rule[facts] {
	return []check.Rule[facts]{
		{
			ID: "T-1", Title: "swap", Severity: check.Low, Why: "keys may be written to disk",
			Needs: []check.Need[facts]{func(f facts) (check.Result, bool) { return check.Unevaluated("", "not seen", ""), f.seen }},
			Run: func(f facts) []check.Result {
				if f.swap {
					return []check.Result{check.Failed("", "swap is on", "turn it off")}
				}
				return []check.Result{check.Passed("", "no swap")}
			},
		},
		{ID: "T-2", Title: "nothing to check", Run: func(facts) []check.Result { return nil }},
	}
}

func TestARuleIsEvaluatedOnlyIfWhatItNeedsIsThere(t *testing.T) {
	for name, tc := range map[string]struct {
		facts facts
		want  check.Result
	}{
		"seen":   {facts{swap: true, seen: true}, check.Result{Status: check.Fail, Summary: "swap is on", Remedy: "turn it off"}},
		"unseen": {facts{swap: true}, check.Result{Status: check.NotEvaluated, Reason: "not seen"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := check.Evaluate(rules(), tc.facts)
			want := []check.Check{
				{ID: "T-1", Title: "swap", Severity: check.Low, Why: "keys may be written to disk", Results: []check.Result{tc.want}},
				{ID: "T-2", Title: "nothing to check"},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAFindingCountsBeforeWhatWasNotLookedAt(t *testing.T) {
	for _, tc := range []struct {
		statuses []check.Status
		want     check.Status
	}{
		{nil, check.NotApplicable},
		{[]check.Status{check.Pass, check.NotApplicable}, check.Pass},
		{[]check.Status{check.Pass, check.NotEvaluated}, check.NotEvaluated},
		{[]check.Status{check.NotEvaluated, check.Warn, check.Pass}, check.Warn},
		{[]check.Status{check.Fail, check.Warn, check.Error}, check.Fail},
	} {
		var results []check.Result
		for _, s := range tc.statuses {
			results = append(results, check.Result{Status: s})
		}
		if got := check.Worst(results); got != tc.want {
			t.Errorf("%v: got %v, want %v", tc.statuses, got, tc.want)
		}
	}
}

func TestARuleAboutOneSubjectIsEvaluatedForEach(t *testing.T) {
	nodes := func(all []facts) (subjects []check.Subject[facts]) {
		for i, f := range all {
			target := string(rune('a' + i))
			subjects = append(subjects, check.Subject[facts]{Target: target, Facts: f, Evidence: []check.Evidence{{Source: "/proc/swaps of " + target}}})
		}
		return subjects
	}
	named := check.Rule[facts]{Run: func(facts) []check.Result { return []check.Result{{Target: "f", Identity: []string{"f"}}} }}
	under := func([]facts) []check.Subject[facts] {
		return []check.Subject[facts]{{Target: "a", Identity: []string{"node a"}}}
	}
	if r := check.Evaluate([]check.Rule[[]facts]{check.ForEach(named, under)}, nil)[0].Results[0]; r.Target != "a: f" || !cmp.Equal(r.Identity, []string{"node a", "f"}) {
		t.Errorf("a target of the rule's own loses its subject: %+v", r)
	}
	rule := check.ForEach(rules()[0], nodes)
	got := check.Evaluate([]check.Rule[[]facts]{rule}, []facts{{swap: true, seen: true}, {}})
	want := []check.Check{{ID: "T-1", Title: "swap", Severity: check.Low, Why: "keys may be written to disk", Results: []check.Result{
		{Target: "a", Status: check.Fail, Summary: "swap is on", Remedy: "turn it off", Evidence: []check.Evidence{{Source: "/proc/swaps of a"}}},
		{Target: "b", Status: check.NotEvaluated, Reason: "not seen", Evidence: []check.Evidence{{Source: "/proc/swaps of b"}}},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
