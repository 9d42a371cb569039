package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

// apiServer is one API server of the node.
type apiServer struct {
	*facts.APIServer
	host *facts.Host
	all  facts.Facts
}

// ofAPIServer evaluates a rule for every API server of the node.
func ofAPIServer(r check.Rule[apiServer]) check.Rule[facts.Facts] {
	// First: part of a command line looks like one without the flags that are missing.
	r.Needs = append([]check.Need[apiServer]{complete}, r.Needs...)
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
		return noAPIServer(f), len(f.Host.APIServers) > 0
	}}
	return all
}

// noAPIServer says why no API server was found on a node of the control plane.
func noAPIServer(f facts.Facts) check.Result {
	const program = "kube-apiserver"
	if m, ok := unreadFile(f.Host, program); ok {
		return unfound(program, m)
	}
	if len(f.Host.Unread) > 0 {
		return unfound(program, f.Host.Unread[0])
	}
	return check.Unevaluated("", "no API server is on this node: "+f.Host.Setup.Fact, need.Visit(f.Host))
}

// complete is not met where the command line is not wholly known.
func complete(s apiServer) (check.Result, bool) {
	return check.Unevaluated("", "its flags are not wholly known: "+s.NotEvaluated, "run etcdaudit as root on the running node"), s.NotEvaluated == ""
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
		all = append(all, check.Evidence{Source: s.Source, Seen: shown(seen)})
	}
	return all
}

// authorizes reports whether --authorization-mode, or its default, has a mode.
func (s apiServer) authorizes(mode string) bool {
	return slices.Contains(s.Config.AuthorizationModes, mode)
}
