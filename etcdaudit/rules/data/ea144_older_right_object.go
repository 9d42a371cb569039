package data

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func olderRightObject() rule {
	const todo = "find out who wrote to etcd directly at that revision, and change what the other object gave away; no API server serves this value any more, and it goes with its layer"
	return rule{
		ID: "EA-144", Title: "What outlives live values held the object that its etcd key names", Severity: check.Low,
		Why:   "an object in another one's place that was overwritten or compacted since shows what was done to live values before",
		Reads: readsObjects,
		Needs: needs{need.Verified},
		Run:   judgeObjects(check.Warn, todo, nothingLeft),
	}
}
