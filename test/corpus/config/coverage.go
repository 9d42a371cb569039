package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
)

// cells are what each rule has a case of. How bad a finding is depends on the rule, and many
// only warn.
var cells = []string{"pass", "finding", check.NotEvaluated.String(), check.NotApplicable.String()}

func cellOf(s check.Status) string {
	if s.Finding() {
		return "finding"
	}
	return s.String()
}

// impossible says which cells no case can be in, and why.
func impossible() map[string]map[string]string {
	const (
		noAddress   = "a node without an etcd that is known shows no address, and one that is known is judged"
		noAPIServer = "where no API server is seen it may be elsewhere; where one is, it has such a setting or its default"
		noFile      = "every control plane has such files; where none is seen they may be elsewhere"
		given       = "a file that cannot be read ends the program, and one that is given is read as a whole"
	)
	na := check.NotApplicable.String()
	return map[string]map[string]string{
		"EA-301": {na: noAddress}, "EA-320": {na: noAddress},
		"EA-307": {na: "only kine has no peers, and no kine runs here"},
		"EA-321": {na: noAPIServer}, "EA-421": {na: noAPIServer}, "EA-423": {na: noAPIServer},
		"EA-425": {na: noAPIServer}, "EA-426": {na: noAPIServer}, "EA-427": {na: noAPIServer}, "EA-428": {na: noAPIServer}, "EA-431": {na: noAPIServer},
		"EA-402": {check.NotEvaluated.String(): given},
		"EA-502": {na: noFile}, "EA-503": {na: noFile}, "EA-504": {na: noFile}, "EA-505": {na: noFile},
		"EA-506": {na: noFile}, "EA-507": {na: noFile}, "EA-508": {na: noFile}, "EA-509": {na: noFile}, "EA-510": {na: noFile},
	}
}

// covered are the rules that the corpus is about: those about connections and a host, and of
// those about data the two that judge an EncryptionConfiguration.
func covered() []check.Rule[facts.Facts] {
	asked := rules.For(rules.Groups{Wire: true, Host: true})
	return slices.DeleteFunc(rules.All(), func(r check.Rule[facts.Facts]) bool {
		return r.ID != "EA-401" && r.ID != "EA-402" && !slices.ContainsFunc(asked, func(a check.Rule[facts.Facts]) bool { return a.ID == r.ID })
	})
}

// Coverage is how many labels of each cell a rule has.
type Coverage struct {
	Rule   string
	Labels map[string]int
	// Least is how many of each it has to have: two where a plain flag check says something,
	// which is then wrong in one way or another.
	Least int
}

// Covered counts the labels of all rules.
func Covered(cases []Case) (all []Coverage) {
	flags := etcdFlags(nil, nil, "")
	for id := range apiServerFlags(nil, "") {
		flags[id] = check.Pass
	}
	for _, r := range covered() {
		c := Coverage{Rule: r.ID, Labels: map[string]int{}, Least: 1}
		if flags[r.ID] != 0 {
			c.Least = 2
		}
		for _, cs := range cases {
			if status := cs.Expect[r.ID]; status != 0 {
				c.Labels[cellOf(status)]++
			}
		}
		all = append(all, c)
	}
	return all
}

// Wrong says which cells have too few labels, and which have some that cannot be.
func (c Coverage) Wrong() (wrong []string) {
	for _, cell := range cells {
		why, n := impossible()[c.Rule][cell], c.Labels[cell]
		switch {
		case why != "" && n > 0:
			wrong = append(wrong, fmt.Sprintf("%s has %d cases that are %q, though there is said to be none: %s", c.Rule, n, cell, why))
		case why == "" && n < c.Least:
			wrong = append(wrong, fmt.Sprintf("%s has %d cases that are %q, and needs %d", c.Rule, n, cell, c.Least))
		}
	}
	return wrong
}

// String is a line of the table: a cell that no case can be in is a dash.
func (c Coverage) String() string {
	line := []string{c.Rule}
	for _, cell := range cells {
		n := fmt.Sprint(c.Labels[cell])
		if impossible()[c.Rule][cell] != "" {
			n = "-"
		}
		line = append(line, n)
	}
	return strings.Join(line, "\t")
}
