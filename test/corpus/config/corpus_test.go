package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestEveryRuleHasACaseOfEachKind(t *testing.T) {
	for _, c := range Covered(testkit.Must(Cases())(t)) {
		for _, wrong := range c.Wrong() {
			t.Error(wrong)
		}
	}
}

// The facts are gathered once: each part looks at them.
func TestCorpus(t *testing.T) {
	cases := testkit.Must(Cases())(t)
	if only := os.Getenv("CORPUS_CASE"); only != "" { // by a part of the name; several with commas
		cases = slices.DeleteFunc(cases, func(c Case) bool {
			return !slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(c.Name, part) })
		})
	}
	c := clustertest.New(t, Components()...)
	judged, err := Judge(t.Context(), c, cases)
	if err != nil {
		t.Error(err)
	}
	lines := testkit.Must(Lines(judged))(t)
	t.Run("every label is what an oracle saw", func(t *testing.T) {
		for _, l := range lines {
			if l.LabelIsWrong {
				t.Error(l.Explain())
			}
		}
	})
	t.Run("every rule says what the label says", func(t *testing.T) {
		for _, l := range lines {
			if !l.LabelIsWrong && !l.Right() {
				t.Error(l.Explain())
			}
		}
	})
	if os.Getenv("CORPUS_CASE") == "" {
		t.Run("a rule that says always the same breaks a case", func(t *testing.T) { mutate(t, judged) })
	}
}

// mutate replaces each rule by one that says always the same.
func mutate(t *testing.T, judged []*Judged) {
	for _, rule := range covered() {
		for _, always := range []check.Status{check.Pass, check.Fail, check.NotEvaluated, check.NotApplicable} {
			mutant := rule
			mutant.Needs = nil
			mutant.Run = func(facts.Facts) []check.Result { return []check.Result{{Status: always}} }
			var broken []string
			for _, j := range judged {
				label, ok := j.Expect[rule.ID]
				if status, _ := Verdict(mutant, j.Facts); ok && status != label {
					broken = append(broken, j.Name)
				}
			}
			name := fmt.Sprintf("%s always says %v", rule.ID, always)
			if len(broken) == 0 {
				t.Errorf("%s: no case breaks", name)
			} else {
				t.Logf("%s: breaks %s, %d in all", name, broken[0], len(broken))
			}
		}
	}
}
