package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sealproof/sealproof/internal/check"
)

// Line is one rule of one case: the label, what the rule says, and what a plain flag check
// says.
type Line struct {
	Case, Rule   string
	Label, Ours  check.Status
	Flag         check.Status // 0 where it says nothing
	By           string       // what decided the label
	LabelIsWrong bool         // an oracle saw something else
	Unnamed      string       // what the remedy should name and does not
	Results      []check.Result
}

// Right reports whether the label and the rule agree with what was seen.
func (l Line) Right() bool { return l.Ours == l.Label && !l.LabelIsWrong && l.Unnamed == "" }

// Lines evaluates the rules over the facts of all cases. They are in the order of the
// rules' ids and the cases' names.
func Lines(judged []*Judged) (lines []Line, err error) {
	for _, j := range judged {
		for _, id := range j.Rules() {
			rule, err := Rule(id)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", j.Name, err)
			}
			l := Line{Case: j.Name, Rule: id, Label: j.Expect[id], Flag: j.Flags[id], By: j.Oracles[id].Said, LabelIsWrong: !j.Oracles[id].Agrees}
			l.Ours, l.Results = Verdict(rule, j.Facts)
			if name := j.Remedy[id]; !slices.ContainsFunc(l.Results, func(r check.Result) bool { return strings.Contains(r.Remedy, name) }) {
				l.Unnamed = name
			}
			lines = append(lines, l)
		}
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Case, b.Case)) })
	return lines, nil
}

// tally counts the mistakes of one checker.
type tally struct{ judged, falsePass, falseFail, other int }

func (t *tally) add(label, said check.Status) {
	switch {
	case said == 0:
		return
	case said == label, said.Finding() && label.Finding():
	case said == check.Pass:
		t.falsePass++ // also where nothing can be said: that is never a pass
	case said.Finding():
		t.falseFail++
	default:
		t.other++
	}
	t.judged++
}

func (t tally) String() string {
	return fmt.Sprintf("%d\t%d\t%d\t%d", t.judged, t.falsePass, t.falseFail, t.other)
}

// WriteTable writes every line, then the mistakes by rule, and how many labels each has.
func WriteTable(out io.Writer, cases []Case, lines []Line) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	write("CASE\tRULE\tLABEL\tOURS\tFLAG CHECK\t")
	type pair struct{ ours, flag tally }
	byRule := map[string]*pair{}
	all := &pair{}
	for _, l := range lines {
		mark := ""
		switch {
		case l.LabelIsWrong:
			mark = "the label is wrong: " + l.By
		case l.Unnamed != "":
			mark = "our remedy does not name " + l.Unnamed
		case !l.Right():
			mark = "ours is wrong: " + l.By
		}
		flag := "-"
		if l.Flag != 0 {
			flag = l.Flag.String()
			if l.Flag != l.Label && !(l.Flag.Finding() && l.Label.Finding()) {
				flag += " (wrong)"
			}
		}
		write("%s\t%s\t%s\t%s\t%s\t%s", l.Case, l.Rule, l.Label, l.Ours, flag, mark)
		if byRule[l.Rule] == nil {
			byRule[l.Rule] = &pair{}
		}
		for _, p := range []*pair{byRule[l.Rule], all} {
			p.ours.add(l.Label, l.Ours)
			p.flag.add(l.Label, l.Flag)
		}
	}
	write("")
	write("RULE\tOURS: LABELS\tFALSE PASSES\tFALSE FAILURES\tOTHER\tFLAG CHECK: LABELS\tFALSE PASSES\tFALSE FAILURES\tOTHER")
	var ids []string
	for id := range byRule {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		write("%s\t%s\t%s", id, byRule[id].ours, byRule[id].flag)
	}
	write("all\t%s\t%s", all.ours, all.flag)
	write("")
	write("RULE\t%s", strings.ToUpper(strings.Join(cells, "\t")))
	for _, c := range Covered(cases) {
		write("%s", c)
	}
	return w.Flush()
}

// Explain describes a line that is not right, for a test.
func (l Line) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s is labelled %v, the rule says %v; %s", l.Case, l.Rule, l.Label, l.Ours, l.By)
	if l.Unnamed != "" {
		fmt.Fprintf(&b, "; its remedy does not name %q", l.Unnamed)
	}
	for _, r := range l.Results {
		fmt.Fprintf(&b, "\n    %s: %v: %s%s; %s", r.Target, r.Status, r.Summary, r.Reason, r.Remedy)
	}
	return b.String()
}
