// Package rules composes the rules of all groups. A rule is data and a pure function
// from facts to results; internal/check evaluates it.
//
// A rule must never see a value, and never decide how its results are shown.
package rules

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/access"
	"github.com/sealproof/sealproof/etcdaudit/rules/config"
	"github.com/sealproof/sealproof/etcdaudit/rules/data"
	"github.com/sealproof/sealproof/etcdaudit/rules/files"
	"github.com/sealproof/sealproof/etcdaudit/rules/tls"
	"github.com/sealproof/sealproof/internal/check"
)

// Groups says which rules are asked for. Verify are those about data that was opened.
type Groups struct{ Data, Wire, Host, Verify bool }

// For returns the rules of groups, in the order of their ids.
func For(g Groups) (asked []check.Rule[facts.Facts]) {
	for _, r := range All() {
		if of := Of(r.ID); of.Data && g.Data || of.Wire && g.Wire || of.Host && g.Host || of.Verify && g.Verify {
			asked = append(asked, r)
		}
	}
	return asked
}

// Of returns the group of a rule, by its id. EA-401 and EA-402 are about the
// EncryptionConfiguration that values are compared with, EA-33x about objects of RBAC, which
// are data.
func Of(id string) Groups {
	switch {
	case strings.HasPrefix(id, "EA-14"):
		return Groups{Verify: true}
	case id < "EA-3", strings.HasPrefix(id, "EA-33"), id == "EA-401", id == "EA-402":
		return Groups{Data: true}
	case id < "EA-4":
		return Groups{Wire: true}
	}
	return Groups{Host: true}
}

// All returns every rule in the order of the ids. An id is EA- and a number, which is
// never given to another rule: EA-1xx is about data, EA-3xx about what connections show and,
// from EA-331, about who may read Secrets, EA-4xx about configuration, EA-5xx about files.
func All() []check.Rule[facts.Facts] {
	return slices.Concat(data.Rules(), tls.Rules(), access.Rules(), config.Rules(), files.Rules())
}
