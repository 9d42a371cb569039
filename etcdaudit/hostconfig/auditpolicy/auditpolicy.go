// Package auditpolicy says what an API server's audit policy can record of Secrets. It is
// pure.
//
// The meaning is that of k8s.io/apiserver v0.37.1, pkg/audit/policy/checker.go: the first
// rule that matches a request decides, and a request that none matches is not recorded.
package auditpolicy

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// Level is how much of a request is recorded.
type Level string

// The levels, from the lowest. Request adds the body that was sent, RequestResponse the
// one that was answered.
const (
	None            Level = "None"
	Metadata        Level = "Metadata"
	Request         Level = "Request"
	RequestResponse Level = "RequestResponse"
)

// Finding is the highest level at which some request of a group of verbs can be recorded.
type Finding struct {
	Verbs []string
	Level Level
	// Rule is the number of the rule that records it, from 1; 0 if no rule matches.
	Rule int
}

type policy struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Rules      []rule `json:"rules"`
}

type rule struct {
	Level           Level    `json:"level"`
	Users           []string `json:"users"`
	UserGroups      []string `json:"userGroups"`
	Verbs           []string `json:"verbs"`
	Namespaces      []string `json:"namespaces"`
	NonResourceURLs []string `json:"nonResourceURLs"`
	Resources       []struct {
		Group         string   `json:"group"`
		Resources     []string `json:"resources"`
		ResourceNames []string `json:"resourceNames"`
	} `json:"resources"`
}

// Secrets returns, for reading, writing and deleting Secrets, the highest level at which
// they can be recorded. It fails on a policy that an API server refuses.
func Secrets(text []byte) ([]Finding, error) {
	if err := boundedyaml.Check(text); err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, errors.New("not valid YAML")
	}
	var p policy
	if err := kjson.UnmarshalCaseSensitivePreserveInts(asJSON, &p); err != nil {
		return nil, errors.New("not an audit policy: a value has the wrong type")
	}
	if p.APIVersion != "audit.k8s.io/v1" || p.Kind != "Policy" {
		return nil, errors.New("want apiVersion audit.k8s.io/v1 and kind Policy")
	}
	if len(p.Rules) == 0 {
		return nil, errors.New("it has no rules")
	}
	for i, r := range p.Rules {
		if rank(r.Level) < 0 {
			return nil, fmt.Errorf("rule %d has no known level", i+1)
		}
	}
	var all []Finding
	steps := 0
	for _, verbs := range [][]string{{"get", "list", "watch"}, {"create", "update", "patch"}, {"delete", "deletecollection"}} {
		highest := Finding{Verbs: verbs, Level: None}
		for _, verb := range verbs {
			f, err := p.highest(verb, &steps)
			if err != nil {
				return nil, err
			}
			if rank(f.Level) > rank(highest.Level) || highest.Rule == 0 {
				highest.Level, highest.Rule = f.Level, f.Rule
			}
		}
		all = append(all, highest)
	}
	return all, nil
}

func rank(l Level) int {
	return slices.Index([]Level{None, Metadata, Request, RequestResponse}, l)
}

// request is what rules look at of a request for Secrets.
type request struct {
	verb, user      string
	groups          [2]string
	namespace, name string
}

// mostSteps bounds the work for one policy, in comparisons of a request with a rule. Real
// policies take a few thousand.
const mostSteps = 2_000_000

// highest returns the highest level for a verb. A rule records something if there is a
// request that it matches and no rule before it does. Of each list in a rule it is enough
// to try each item, or one that no rule names where there is no list.
func (p policy) highest(verb string, steps *int) (f Finding, err error) {
	f.Level = None
	for i, r := range p.Rules {
		if f.Rule > 0 && rank(r.Level) <= rank(f.Level) {
			continue
		}
		for q := range r.requests(verb) {
			first := slices.IndexFunc(p.Rules[:i+1], func(earlier rule) bool {
				*steps++
				return earlier.matches(q)
			})
			if *steps > mostSteps {
				return f, errors.New("it has too many users, groups, namespaces and names to be evaluated")
			}
			if first == i {
				f.Level, f.Rule = r.Level, i+1
				break
			}
		}
	}
	return f, nil
}

// requests yields requests of a verb that differ in what the rule looks at.
func (r rule) requests(verb string) iter.Seq[request] {
	const other = "\x00" // what no rule names
	or := func(list []string, more ...string) []string {
		if len(list) == 0 {
			list = []string{other}
		}
		return append(slices.Clip(list), more...)
	}
	namespaces, names := or(r.Namespaces), []string{other}
	for _, g := range r.Resources {
		names = append(names, g.ResourceNames...)
	}
	switch verb {
	case "list", "watch": // of all namespaces, and of one name by a field selector
		namespaces, names = or(r.Namespaces, ""), append(names, "")
	case "create", "deletecollection": // the path has no name
		names = []string{""}
	}
	return func(yield func(request) bool) {
		for _, namespace := range namespaces {
			for _, name := range names {
				q := request{verb: verb, namespace: namespace, name: name, user: "system:anonymous", groups: [2]string{"system:unauthenticated"}}
				if !yield(q) {
					return
				}
				for _, user := range or(r.Users) {
					for _, group := range or(r.UserGroups) {
						q.user, q.groups = user, [2]string{"system:authenticated", group}
						if !yield(q) {
							return
						}
					}
				}
			}
		}
	}
}

// matches reports whether a rule decides about a request, if none before it does.
func (r rule) matches(q request) bool {
	among := func(list []string, values ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(values, func(v string) bool { return slices.Contains(list, v) })
	}
	if !among(r.Verbs, q.verb) || !among(r.Users, q.user) || !among(r.UserGroups, q.groups[:]...) || !among(r.Namespaces, q.namespace) {
		return false
	}
	if len(r.Resources) == 0 {
		// A rule with URLs alone is about requests that are not for resources.
		return len(r.Namespaces) > 0 || len(r.NonResourceURLs) == 0
	}
	for _, g := range r.Resources {
		if g.Group != "" && g.Group != "*" {
			continue
		}
		// Names count only beside resources.
		if len(g.Resources) == 0 || among(g.Resources, "secrets", "*", "secrets/*") && among(g.ResourceNames, q.name) {
			return true
		}
	}
	return false
}
