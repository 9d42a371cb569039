package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// apiServer is one API server of the node.
type apiServer struct {
	*facts.APIServer
	host *facts.Host
	all  facts.Facts
}

// ofAPIServer evaluates a rule for every API server of the node.
func ofAPIServer(r check.Rule[apiServer]) check.Rule[facts.Facts] {
	all := check.ForEach(r, func(f facts.Facts) (subjects []check.Subject[apiServer]) {
		for i := range f.Host.APIServers {
			s := &f.Host.APIServers[i]
			version := "kube-apiserver"
			if s.Process != nil && s.Process.Version != "" {
				version += " " + s.Process.Version
			}
			subjects = append(subjects, check.Subject[apiServer]{
				Target: s.Name, Identity: []string{f.Host.Node, "kube-apiserver", strconv.Itoa(s.Config.SecurePort)},
				Facts: apiServer{s, f.Host, f}, Evidence: []check.Evidence{started(s.Source, s.Process, version)},
			})
		}
		return subjects
	})
	all.Needs = []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) {
		for _, m := range f.Host.Unread {
			return check.Unevaluated("", fmt.Sprintf("no API server was found, and %s could not be read: %s", m.What, m.Why), m.Do), len(f.Host.APIServers) > 0
		}
		return check.Unevaluated("", "no API server is on this node: "+f.Host.Setup.Fact, need.Visit(f.Host)), len(f.Host.APIServers) > 0
	}}
	return all
}

// accepted is not met where the API server would refuse its flags.
func accepted(s apiServer) (check.Result, bool) {
	return check.Unevaluated("", "the API server would not start with these flags (EA-431): "+s.Config.Refused, ""), s.Config.Refused == ""
}

// given are flags as they were written. Only flags whose values are no secret are named.
func (s apiServer) given(names ...string) (all []check.Evidence) {
	for _, name := range names {
		seen := "--" + name + " is not set"
		if values, ok := s.Config.Given[name]; ok {
			seen = "--" + name + "=" + strings.Join(values, ",")
		}
		all = append(all, check.Evidence{Source: s.Source, Seen: term.Printable(seen)})
	}
	return all
}

// modes are the values of --authorization-mode.
func (s apiServer) authorizes(mode string) bool {
	return slices.Contains(s.Config.Given["authorization-mode"], mode)
}
