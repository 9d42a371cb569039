package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/check"
)

func TestRightObject(t *testing.T) {
	other := verify.Result{Outcome: verify.Opened, Identity: verify.Differs, Holds: verify.Object{Kind: "Secret", Namespace: "prod", Name: "admin\x1b"}}
	custom := func(kind string) verify.Result {
		return verify.Result{Outcome: verify.Opened, Identity: verify.SameName, Custom: verify.Kind{Path: "example.com/widgets", Name: kind}}
	}
	widgets := map[string]string{"example.com/widgets": "Widget"}
	runOpened(t, "EA-143",
		openedCase{
			name: "each is", all: results{"secrets/default/a": opens(), "ranges/serviceips": {Outcome: verify.Opened}, "secrets/default/c": {Outcome: verify.WrongKey}, "secrets/default/d": {Why: "no answer"}},
			statuses: []check.Status{check.Pass, check.NotEvaluated}, says: []string{"1 of 4 values are what their etcd keys name; 1 do not say what they are", "1 of 4 values could not be opened: 1, because no answer"},
		},
		openedCase{
			name: "what was moved says what it is", all: results{
				"secrets/default/a": opens(), "ranges/serviceips": {Outcome: verify.Opened}, "secrets/default/c": {Outcome: verify.Moved, Identity: verify.Same}, "secrets/default/d": {Outcome: verify.OtherName, Identity: verify.Same},
			},
			statuses: []check.Status{check.Pass}, says: []string{"3 of 4 values are what their etcd keys name; 1 do not say what they are"},
		},
		openedCase{
			name: "one is not", all: results{"secrets/default/a": opens(), "secrets/default/b": other}, statuses: []check.Status{check.Fail}, count: 1,
			says: []string{"1 of 2 values hold another object"}, objects: []string{`secrets default/b: holds Secret prod/admin\x1b`},
		},
		openedCase{
			name: "what was not opened is not lost behind a finding", all: results{"secrets/default/b": other, "secrets/default/c": {Why: "no answer"}},
			statuses: []check.Status{check.Fail, check.NotEvaluated}, count: 1, objects: []string{`secrets default/b: holds Secret prod/admin\x1b`},
		},
		openedCase{name: "older values are EA-144's", layer: record.History, all: results{"secrets/default/b": other}, statuses: []check.Status{check.NotApplicable}},
		openedCase{
			name: "custom resources of the kind that is defined", all: results{"example.com/widgets/default/a": custom("Widget")}, kinds: widgets,
			statuses: []check.Status{check.Pass}, says: []string{"1 of 1 value are what"},
		},
		openedCase{
			name: "and of another one", all: results{"example.com/widgets/default/a": custom("Widget"), "example.com/widgets/default/b": custom("Gadget")}, kinds: widgets,
			statuses: []check.Status{check.Fail}, count: 1, objects: []string{"widgets.example.com default/b: holds Gadget"},
		},
		openedCase{
			name: "of none that is known", all: results{"example.com/widgets/default/a": custom("Widget"), "secrets/default/a": opens()},
			statuses: []check.Status{check.Pass, check.NotEvaluated}, says: []string{"2 of 2 values are what", "the kind of 1 value was not compared", "example.com/widgets"},
		},
		openedCase{name: "nothing was opened", all: results{"secrets/default/a": {Why: "no answer"}}, statuses: []check.Status{check.NotEvaluated}, says: []string{"1 of 1 value could not be opened"}},
		openedCase{name: "nothing says what it is", all: results{"ranges/serviceips": {Outcome: verify.Opened}}, statuses: []check.Status{check.NotApplicable}},
	)
}
