package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
)

func TestOlderDecryptable(t *testing.T) {
	some := results{"secrets/default/a": opens(), "secrets/default/b": {Outcome: verify.WrongKey}}
	runOpened(t, "EA-142",
		openedCase{name: "each opens", layer: record.WAL, all: results{"secrets/default/a": opens()}, statuses: []check.Status{check.Pass}, says: []string{"each of 1 value opens"}},
		openedCase{name: "one does not", layer: record.History, all: some, statuses: []check.Status{check.Warn}, count: 1, says: []string{"1 of 2 values cannot be decrypted: 1 wrong key"}, objects: []string{"secrets default/b: wrong key"}},
		openedCase{name: "no key was given", layer: record.FreePages, all: results{"secrets/default/a": {Why: "no key"}}, statuses: []check.Status{check.NotEvaluated}, says: []string{"1, because no key"}},
		openedCase{name: "nothing is left there", layer: record.FreePages, statuses: []check.Status{check.Pass}, says: []string{"each of 0 values opens"}},
		openedCase{name: "bytes of no layer show nothing", layer: record.Undetermined, statuses: []check.Status{check.NotEvaluated}, says: []string{"bytes without a structure"}},
		openedCase{
			name: "a log that is written to", layer: record.WAL, all: results{"secrets/default/a": opens()}, edit: func(s *facts.Store) { s.Scope.InUse = true },
			statuses: []check.Status{check.NotEvaluated}, says: []string{"a process writes to it"},
		},
		openedCase{name: "live values are EA-141's", all: some, statuses: []check.Status{check.NotApplicable}},
	)
}
