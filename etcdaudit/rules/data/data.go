// Package data holds the rules about what is stored, EA-1xx, one a file.
package data

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

// Rules returns the rules in the order of their ids. Each is about one store, and
// evaluated for every store.
func Rules() (all []check.Rule[facts.Facts]) {
	for _, r := range []rule{
		plaintextSecrets(),
		malformedValues(),
		unknownEncryption(),
		staleKeys(),
		plaintextOthers(),
		kmsV1Values(),
		plaintextThoughConfigured(),
		staleProviders(),
		encryptedUnconfigured(),
		unreadable(),
	} {
		ofStores := check.ForEach(r, facts.Facts.Subjects)
		ofStores.Needs = []check.Need[facts.Facts]{need.Scan}
		all = append(all, ofStores)
	}
	return all
}

type (
	rule  = check.Rule[facts.Store]
	needs = []check.Need[facts.Store]
)

// one is the Run of a rule that has one result for each store.
func one(run func(facts.Store) check.Result) func(facts.Store) []check.Result {
	return func(s facts.Store) []check.Result { return []check.Result{run(s)} }
}
