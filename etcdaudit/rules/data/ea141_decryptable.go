package data

import (
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func decryptable() rule {
	const todo = "see what stands behind each: a wrong key, a key of another name or one of another plugin has to be put back into the EncryptionConfiguration; a retired version needs a lower min_decryption_version; a value of another cluster is opened by a plugin that lists it in accept-clusters; what was moved belongs under the etcd key that is named; what was damaged, or whose annotations were changed, has to be restored from a backup, or deleted in etcd (etcdctl del) and created anew"
	return rule{
		ID: "EA-141", Title: "Every value can be decrypted", Severity: check.Critical,
		Why:   "no API server can read such an object, a LIST of its resource fails, and what is in it is lost with the key",
		Reads: "every live value, opened in memory as an API server opens it, with its whole etcd key (--verify)",
		Needs: needs{need.Verified, need.Keys},
		Run:   judgeOpened(check.Fail, todo, func(_ facts.Store, summary string) check.Result { return check.Passed("", summary) }),
	}
}
