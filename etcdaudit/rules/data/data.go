// Package data holds the rules about what is stored, EA-1xx, one a file.
package data

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

// Rules returns the rules in the order of their ids. Each is about one store: EA-101 to 106
// and EA-111 to 116 about one of live values, EA-121 to 123 about what outlives them.
// EA-141 to 144 are about values that were opened,
// EA-161 to 166 and 169 are about how live values are encrypted, EA-167 and 168 about the API
// servers whose metrics were given. EA-107 and EA-124 are about both layers, EA-131 about an etcd
// that runs.
func Rules() (all []check.Rule[facts.Facts]) {
	openedLive, openedOlder := opening()
	for _, group := range []struct {
		rules    []rule
		subjects func(facts.Facts) []check.Subject[facts.Store]
		needs    []check.Need[facts.Facts]
	}{
		{live(), facts.Facts.Live, []check.Need[facts.Facts]{need.Scan, need.Live}},
		{older(), facts.Facts.Older, []check.Need[facts.Facts]{need.Scan, need.Older}},
		{[]rule{embeddedSecrets()}, facts.Facts.All, []check.Need[facts.Facts]{need.Scan}},
		{[]rule{wholeFiles()}, facts.Facts.Files, []check.Need[facts.Facts]{need.Scan, need.Files}},
		{openedLive, facts.Facts.Live, []check.Need[facts.Facts]{need.Scan, need.Live}},
		{openedOlder, facts.Facts.Older, []check.Need[facts.Facts]{need.Scan, need.Older}},
		{[]rule{membersAgree()}, facts.Facts.Running, []check.Need[facts.Facts]{need.Scan, need.Running}},
	} {
		for _, r := range group.rules {
			if r.ID != wholeFiles().ID {
				r = whole(r)
			}
			ofStores := check.ForEach(r, group.subjects)
			ofStores.Needs = group.needs
			if r.ID == "EA-101" {
				ofStores.Run = unlessElsewhere(ofStores.Run)
			}
			all = append(all, ofStores)
		}
	}
	all = append(all, serversAgree(), serversConfiguredAlike())
	slices.SortFunc(all, func(a, b check.Rule[facts.Facts]) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func live() []rule {
	return []rule{
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
		unlistedCredentials(),
		unlistedOthers(),
		boundToKeys(),
		writesPerKey(),
		noncesOnce(),
		derivedKeys(),
		identityListed(),
		knownKeyIDs(),
		currentKeyIDs(),
	}
}

func older() []rule {
	return []rule{
		plaintextCopies(),
		plaintextCopiesOfOthers(),
		fragments(),
	}
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
