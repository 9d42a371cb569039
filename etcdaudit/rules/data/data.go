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
		if r.ID == "EA-101" {
			ofStores.Run = unlessElsewhere(ofStores.Run)
		}
		all = append(all, ofStores)
	}
	return all
}

// unlessElsewhere takes back what is said of Secrets in a store, findings aside, where an
// API server keeps them in an etcd that was not read: then the store says nothing.
func unlessElsewhere(run func(facts.Facts) []check.Result) func(facts.Facts) []check.Result {
	return func(f facts.Facts) []check.Result {
		results := run(f)
		elsewhere, scan := f.SecretsElsewhere()
		for i, r := range results {
			if elsewhere != "" && !r.Status.Finding() {
				results[i] = check.Unevaluated(r.Target, elsewhere+", which was not scanned", "scan that etcd as well: "+scan)
				results[i].Identity, results[i].Evidence = r.Identity, r.Evidence
			}
		}
		return results
	}
}

type (
	rule  = check.Rule[facts.Store]
	needs = []check.Need[facts.Store]
)

// one is the Run of a rule that has one result for each store.
func one(run func(facts.Store) check.Result) func(facts.Store) []check.Result {
	return func(s facts.Store) []check.Result { return []check.Result{run(s)} }
}
