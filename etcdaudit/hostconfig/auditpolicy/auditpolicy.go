// Package auditpolicy says what an API server's audit policy can record of Secrets. It is
// pure.
//
// The meaning is that of k8s.io/apiserver v0.37.1, pkg/audit/policy/checker.go: the first
// rule that matches a request decides, and a request that none matches is not recorded.
package auditpolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
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
	for _, verbs := range [][]string{{"get", "list", "watch"}, {"create", "update", "patch"}, {"delete", "deletecollection"}} {
		highest := Finding{Verbs: verbs, Level: None}
		for _, verb := range verbs {
			if f := p.highest(verb); rank(f.Level) > rank(highest.Level) || highest.Rule == 0 {
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

// highest returns the highest level for a verb. A rule for some users, namespaces or names
// decides for those, and later rules for the others.
func (p policy) highest(verb string) (f Finding) {
	f.Level = None
	for i, r := range p.Rules {
		some, all := r.matches(verb)
		if some && (f.Rule == 0 || rank(r.Level) > rank(f.Level)) {
			f.Level, f.Rule = r.Level, i+1
		}
		if all {
			return f
		}
	}
	return f
}

// matches reports whether a rule matches some, and whether it matches all requests with a
// verb for Secrets.
func (r rule) matches(verb string) (some, all bool) {
	if len(r.Verbs) > 0 && !slices.Contains(r.Verbs, verb) {
		return false, false
	}
	all = len(r.Users) == 0 && len(r.UserGroups) == 0 && len(r.Namespaces) == 0
	if len(r.Resources) == 0 {
		// Without namespaces, URLs restrict a rule to requests that are not for resources.
		matches := len(r.Namespaces) > 0 || len(r.NonResourceURLs) == 0
		return matches, matches && all
	}
	named := false
	for _, g := range r.Resources {
		if g.Group != "" && g.Group != "*" {
			continue
		}
		secrets := len(g.Resources) == 0 || slices.ContainsFunc(g.Resources, func(res string) bool {
			return res == "secrets" || res == "*" || strings.TrimSuffix(res, "/*") == "secrets"
		})
		switch {
		case !secrets:
		case len(g.ResourceNames) == 0 || len(g.Resources) == 0:
			return true, all
		default:
			// A list or watch of a single object by a field selector has its name.
			named = named || verb != "create" && verb != "deletecollection"
		}
	}
	return named, false
}
