package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
)

func TestDecryptable(t *testing.T) {
	silent := verify.Result{Why: "no answer\x1b"}
	runOpened(t, "EA-141",
		openedCase{name: "each opens", all: results{"secrets/default/a": opens(), "secrets/default/b": opens()}, statuses: []check.Status{check.Pass}, says: []string{"each of 2 values opens"}},
		openedCase{
			name: "some do not, each for a reason of its own",
			all: results{
				"secrets/default/a": opens(), "secrets/default/b": {Outcome: verify.Moved, From: "/registry/secrets/prod/b"}, "secrets/default/c": {Outcome: verify.OtherName, Name: "new"},
				"secrets/default/d": {Outcome: verify.VersionRetired, Why: "version 1 is too old"}, "secrets/default/e": {Outcome: verify.Damaged}, "leases/kube-system/f": {Outcome: verify.Damaged},
			},
			statuses: []check.Status{check.Fail}, count: 5,
			says: []string{"5 of 6 values cannot be decrypted: 1 key of another name, 1 moved, 2 damaged, 1 key version retired"},
			objects: []string{
				"leases.coordination.k8s.io kube-system/f: damaged", "secrets default/b: moved from /registry/secrets/prod/b", "secrets default/c: key of another name: new",
				"secrets default/d: key version retired (version 1 is too old)", "secrets default/e: damaged",
			},
		},
		openedCase{
			name: "what was not opened is no pass", all: results{"secrets/default/a": opens(), "secrets/default/b": silent, "secrets/default/c": silent, "secrets/default/d": {Why: "KMS v1"}},
			statuses: []check.Status{check.NotEvaluated}, says: []string{`3 of 4 values could not be opened: 2, because no answer\x1b; 1, because KMS v1`},
		},
		openedCase{
			name: "nor is it lost behind a finding", all: results{"secrets/default/a": {Outcome: verify.WrongKey}, "secrets/default/b": silent},
			statuses: []check.Status{check.Fail, check.NotEvaluated}, count: 1, says: []string{"1 of 2 values cannot be decrypted: 1 wrong key", "1 of 2 values could not be opened"}, objects: []string{"secrets default/a: wrong key"},
		},
		openedCase{name: "no value at all", statuses: []check.Status{check.NotEvaluated}, says: []string{"wrong etcd, or wrong --prefix?"}},
		openedCase{
			name: "what could not be read may not open", all: results{"secrets/default/a": opens()}, edit: func(s *facts.Store) { s.Damaged = 2 },
			statuses: []check.Status{check.NotEvaluated}, says: []string{"2 places could not be read"},
		},
		openedCase{name: "older values are EA-142's", layer: record.History, all: results{"secrets/default/a": {Outcome: verify.WrongKey}}, statuses: []check.Status{check.NotApplicable}},
		openedCase{name: "nothing was opened", all: results{"secrets/default/a": opens()}, edit: func(s *facts.Store) { s.Verified = nil }, statuses: []check.Status{check.NotApplicable}, says: []string{"--verify was not given"}},
	)
}
