package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
)

// Judged is a case with all that was learned of it.
type Judged struct {
	Case
	// Facts are what the auditor learned; Groups which rules were asked for.
	Facts  facts.Facts
	Groups rules.Groups
	// Oracles are what decided each label; Flags what a plain flag check says, of the rules
	// that it has a word on.
	Oracles map[string]Decision
	Flags   map[string]check.Status
}

// Decision is how a label was decided.
type Decision struct {
	// Agrees is whether the label is what was seen.
	Agrees bool
	Said   string
}

// Verdict is what the rule of an id says of some facts, and the results it came from.
func Verdict(rule check.Rule[facts.Facts], f facts.Facts) (check.Status, []check.Result) {
	results := check.Evaluate([]check.Rule[facts.Facts]{rule}, f)[0].Results
	return check.Worst(results), results
}

// Rule returns the rule of an id.
func Rule(id string) (check.Rule[facts.Facts], error) {
	all := rules.All()
	i := slices.IndexFunc(all, func(r check.Rule[facts.Facts]) bool { return r.ID == id })
	if i < 0 {
		return check.Rule[facts.Facts]{}, fmt.Errorf("there is no rule %s", id)
	}
	return all[i], nil
}

// Components are the programs that Judge starts.
func Components() []components.Name {
	return []components.Name{components.Etcd, components.Etcd36, components.Etcd35, components.APIServer}
}

// How many cases run at the same time. Those of etcd wait most of the time; an API server
// keeps a core busy while it starts.
const (
	atOnce           = 4
	apiServersAtOnce = 2
)

// Judge starts what each case needs, lets the oracles decide its labels, and gathers what
// the auditor learns. The error says of each case that is missing in the result why it is.
func Judge(ctx context.Context, c *cluster.Cluster, cases []Case) ([]*Judged, error) {
	lab, err := newLab(ctx, c)
	if err != nil {
		return nil, err
	}
	judged, errs := make([]*Judged, len(cases)), make([]error, len(cases))
	var apiServers, others errgroup.Group
	apiServers.SetLimit(apiServersAtOnce)
	others.SetLimit(atOnce)
	start := func(g *errgroup.Group, mine func(Case) bool) {
		for i, cs := range cases {
			if !mine(cs) {
				continue
			}
			g.Go(func() error {
				if judged[i], errs[i] = lab.judge(ctx, cs); errs[i] != nil {
					judged[i], errs[i] = nil, fmt.Errorf("%s: %s: %w", cs.from, cs.Name, errs[i])
				}
				return nil // each case has its own error
			})
		}
	}
	isAPIServer := func(cs Case) bool { return cs.APIServer != nil }
	var both sync.WaitGroup
	both.Go(func() { start(&apiServers, isAPIServer) })
	both.Go(func() { start(&others, func(cs Case) bool { return !isAPIServer(cs) }) })
	both.Wait()
	_, _ = apiServers.Wait(), others.Wait()
	return slices.DeleteFunc(judged, func(j *Judged) bool { return j == nil }), errors.Join(errs...)
}

// decide asks the oracles about every label of a case.
func decide[T any](ctx context.Context, cs Case, oracles map[string]oracle[T], live T) (map[string]Decision, error) {
	decided := map[string]Decision{}
	for _, id := range cs.Rules() {
		label := cs.Expect[id]
		ask, by := oracles[id], cs.By[id]
		if by != "" && ask == nil {
			decided[id] = Decision{Agrees: true, Said: by}
			continue
		}
		if ask == nil || by != "" {
			return nil, fmt.Errorf("the label of %s is decided by an oracle or by a document, and never by both", id)
		}
		o, said, err := ask(ctx, live)
		// A client that could not tell is asked again, and nothing is decided by it.
		for again := 0; err != nil && again < 2; again++ {
			o, said, err = ask(ctx, live)
		}
		if err != nil {
			return nil, fmt.Errorf("the oracle of %s: %w", id, err)
		}
		decided[id] = Decision{Agrees: o.allows(label), Said: fmt.Sprintf("%s: %s", o, said)}
	}
	return decided, nil
}
