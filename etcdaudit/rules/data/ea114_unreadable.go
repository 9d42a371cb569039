package data

import (
	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func unreadable() rule {
	todo := step{text: "an API server with this configuration cannot read these values: check that it is the file of this cluster, and of every API server of it; then, by what stands behind each: add identity as the last provider; add the provider or key of that name; where a key of that name is there, add the one that wrote the value under the same name as well, or restore a value that no key opens from a backup of etcd; where a wrong key seems to fit, the right one helps only if it stands before that one: put it there, and a key of another name before both, to write with, until these values are rewritten, or delete them in etcd (etcdctl del) and create them anew. Rewrite only after that"}
	return rule{
		ID: "EA-114", Title: "The configuration can read every value", Severity: check.High,
		Why:   "the API server cannot read these objects, and a LIST of their resource fails: it may not even start",
		Reads: "every value, beside the providers and keys of the EncryptionConfiguration; where it holds the key, the key is tried",
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(check.Fail, "this configuration cannot read", todo,
			func(s facts.Store) string { return "this configuration can read every value" + readBy(s) },
			drift.UnreadablePlaintext, drift.UnreadableName,
			drift.UnreadableKey, drift.UnreadableMistaken,
		),
	}
}
