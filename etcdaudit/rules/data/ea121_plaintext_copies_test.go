package data_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestPlaintextCopies(t *testing.T) {
	plain := stored.Values{"secrets/default/a": stored.Plaintext, "secrets/default/b": stored.Keyed("aescbc", "k", "")}
	sealed := stored.Values{"secrets/default/b": stored.Keyed("aescbc", "k", "")}
	stored.Run(t, "EA-121",
		stored.Case{Name: "an older revision", Layer: record.History, Values: plain, Status: check.Fail, Count: 1, Says: "1 plaintext copy of Secrets can be read there"},
		stored.Case{Name: "a free page", Layer: record.FreePages, Values: plain, Status: check.Fail, Count: 1, Says: "1 plaintext copy"},
		stored.Case{Name: "the log", Layer: record.WAL, Values: plain, Status: check.Fail, Count: 1, Says: "1 plaintext copy"},
		stored.Case{Name: "bytes of no layer", Layer: record.Undetermined, Values: plain, Status: check.Fail, Count: 1, Says: "1 plaintext copy"},
		stored.Case{Name: "ciphertext alone", Layer: record.History, Values: sealed, Status: check.Pass, Says: "no plaintext Secret"},
		stored.Case{Name: "nothing is left", Layer: record.FreePages, Status: check.Pass, Says: "no plaintext Secret"},
		stored.Case{Name: "bytes without layers are never clean", Layer: record.Undetermined, Values: sealed, Status: check.NotEvaluated, Says: "do not show that everything was searched"},
		stored.Case{Name: "what could not be read is never clean", Layer: record.WAL, Damaged: 1, Values: sealed, Status: check.NotEvaluated, Says: "1 place could not be read"},
		stored.Case{Name: "what a process writes to is never clean", Layer: record.WAL, InUse: true, Values: sealed, Status: check.NotEvaluated, Says: "a process writes to it"},
		stored.Case{Name: "a log of keys elsewhere alone may have another prefix", Layer: record.WAL, Outside: 2, Status: check.NotEvaluated, Says: "is that the --prefix?"},
		stored.Case{Name: "free pages have what they have: the prefix is that of the live keys", Layer: record.FreePages, Outside: 2, Status: check.Pass, Says: "no plaintext Secret"},
		stored.Case{Name: "live values are judged by EA-101", Values: plain, Status: check.NotApplicable, Says: "live values only"},
	)
}

func TestEachLayerIsClearedInItsOwnWay(t *testing.T) {
	for name, tc := range map[string]struct {
		layer record.Layer
		copy  string
		want  string
	}{
		"history":      {record.History, "", "compaction"},
		"free pages":   {record.FreePages, "", "defragmentation of every member"},
		"log":          {record.WAL, "", "replace each member"},
		"snapshot":     {record.FreePages, "snapshot", "delete the snapshot and every copy of it"},
		"not known":    {record.Undetermined, "", "take a consistent view"},
		"copy in use":  {record.Undetermined, "copy of a database", "delete the copy of a database"},
		"old segments": {record.WAL, "copy of a write-ahead log", "delete the copy"},
	} {
		t.Run(name, func(t *testing.T) {
			f := stored.Facts(nil, stored.Records(stored.Values{"secrets/default/a": stored.Plaintext})...)
			f.Stores[0].Scope.Layer, f.Stores[0].Scope.Copy = tc.layer, tc.copy
			if r := stored.Result(t, f, "EA-121"); !strings.Contains(r.Remedy, tc.want) || !strings.Contains(r.Remedy, "change the credentials") {
				t.Errorf("%q", r.Remedy)
			}
		})
	}
}
