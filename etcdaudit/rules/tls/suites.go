package tls

import (
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
)

// served returns the names of all suites that are served in any version, in the order of
// their numbers.
func served(s *facts.Served) []string {
	var ids []uint16
	for _, all := range s.Suites {
		ids = append(ids, all...)
	}
	slices.Sort(ids)
	return suites.Names(slices.Compact(ids))
}
