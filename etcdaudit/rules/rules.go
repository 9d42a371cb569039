// Package rules composes the rules of all groups. A rule is data and a pure function
// from facts to results; internal/check evaluates it.
//
// A rule must never see a value, and never decide how its results are shown.
package rules

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/config"
	"github.com/sealproof/sealproof/etcdaudit/rules/data"
	"github.com/sealproof/sealproof/etcdaudit/rules/tls"
	"github.com/sealproof/sealproof/internal/check"
)

// All returns every rule in the order of the ids. An id is EA- and a number, which is
// never given to another rule: EA-1xx is about data, EA-3xx about what connections show,
// EA-4xx about configuration.
func All() []check.Rule[facts.Facts] {
	return slices.Concat(data.Rules(), tls.Rules(), config.Rules())
}

// Scan returns the rules about what is stored, and about an EncryptionConfiguration that
// was given.
func Scan() []check.Rule[facts.Facts] {
	return slices.DeleteFunc(All(), func(r check.Rule[facts.Facts]) bool {
		return !strings.HasPrefix(r.ID, "EA-1") && r.ID != "EA-401" && r.ID != "EA-402"
	})
}
