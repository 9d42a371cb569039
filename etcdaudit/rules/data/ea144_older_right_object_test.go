package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
)

func TestOlderRightObject(t *testing.T) {
	some := results{"secrets/default/a": opens(), "secrets/default/b": {Outcome: verify.Opened, Identity: verify.Differs, Holds: verify.Object{Kind: "Secret", Namespace: "prod", Name: "admin"}}}
	runOpened(t, "EA-144",
		openedCase{name: "each is", layer: record.WAL, all: results{"secrets/default/a": opens()}, statuses: []check.Status{check.Pass}, says: []string{"1 of 1 value are what"}},
		openedCase{name: "one is not", layer: record.FreePages, all: some, statuses: []check.Status{check.Warn}, count: 1, says: []string{"1 of 2 values hold another object"}, objects: []string{"secrets default/b: holds Secret prod/admin"}},
		openedCase{name: "nothing was opened", layer: record.History, all: results{"secrets/default/a": {Why: "no answer"}}, statuses: []check.Status{check.NotEvaluated}, says: []string{"1, because no answer"}},
		openedCase{
			name: "a log that is written to", layer: record.WAL, all: results{"secrets/default/a": opens()}, edit: func(s *facts.Store) { s.Scope.InUse = true },
			statuses: []check.Status{check.NotEvaluated}, says: []string{"a process writes to it"},
		},
		openedCase{name: "live values are EA-143's", all: some, statuses: []check.Status{check.NotApplicable}},
	)
}
