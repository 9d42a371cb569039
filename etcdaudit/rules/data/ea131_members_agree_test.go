package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestMembersAgree(t *testing.T) {
	members := func(reasons ...string) (all []record.Compared) {
		for i, reason := range reasons {
			all = append(all, record.Compared{ID: string(rune('a' + i)), Name: "m\x1b", NotCompared: reason})
		}
		return all
	}
	learner := record.Compared{ID: "z", Name: "new", NotCompared: "a learner", Learner: true}
	for name, tt := range map[string]struct {
		compared *record.Comparison
		status   check.Status
		count    int64
		says     string
	}{
		"not asked for":        {nil, check.NotEvaluated, 0, "were not compared"},
		"could not be asked":   {&record.Comparison{Why: "etcd has no leader"}, check.NotEvaluated, 0, "etcd has no leader"},
		"one member":           {&record.Comparison{Members: members("")}, check.NotApplicable, 0, "one member"},
		"the same":             {&record.Comparison{Revision: 7, Members: members("", "")}, check.Pass, 0, "2 members hold the same at revision 7, by HashKV"},
		"the same, by reading": {&record.Comparison{Members: members("", ""), ByReading: true}, check.Pass, 0, "HMACs"},
		"one is behind":        {&record.Comparison{Members: members("", "", "it is behind")}, check.NotEvaluated, 0, `1 member not compared with the others: m\x1b (c): it is behind`},
		"a learner":            {&record.Comparison{Members: append(members("", ""), learner)}, check.Pass, 0, `2 members hold the same at revision 0, by HashKV; not compared: new (z): a learner`},
		"one and a learner":    {&record.Comparison{Members: append(members(""), learner)}, check.NotApplicable, 0, "one member that votes"},
		"a key differs":        {&record.Comparison{Members: members("", "", "gone"), Differ: true, Differing: 1, Keys: []string{"/registry/x"}}, check.Fail, 1, "1 key under the prefix differ"},
		"not all can be read":  {&record.Comparison{Revision: 7, Members: members("", "gone"), Differ: true}, check.Fail, 0, `the hashes at revision 7 differ; which keys do could not be found out; not compared: m\x1b (b): gone`},
		"history differs":      {&record.Comparison{Members: members("", ""), Differ: true}, check.Fail, 0, "no key under the prefix does"},
	} {
		t.Run(name, func(t *testing.T) {
			f := stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": stored.Plaintext})...)
			f.Stores[0].Members = tt.compared
			r := stored.Result(t, f, "EA-131")
			if r.Status != tt.status || r.Count != tt.count || !strings.Contains(r.Summary+r.Reason, tt.says) {
				t.Errorf("%v, count %d: %s%s", r.Status, r.Count, r.Summary, r.Reason)
			}
			// What was asked for and could not be done is no pass.
			if asked := tt.compared != nil; r.Status == check.NotEvaluated && r.Expected == asked {
				t.Errorf("asked for: %v, expected: %v", asked, r.Expected)
			}
		})
	}
}

func TestAStandInHasNoMembers(t *testing.T) {
	f := stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": stored.Plaintext})...)
	f.Stores[0].Scope.StandIn, f.Stores[0].Members = "kine", &record.Comparison{Why: "kine has no members"}
	if r := stored.Result(t, f, "EA-131"); r.Status != check.NotApplicable || r.Reason != "kine has no members" {
		t.Errorf("%v", r)
	}
}
