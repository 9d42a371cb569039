package data

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func unlistedOthers() rule {
	return rule{
		ID: "EA-116", Title: "Other resources that can hold credentials are encrypted", Severity: check.Low,
		Why:   "in some ways of using them, or for a short time, these resources hold what a reader of etcd or of a backup can use",
		Reads: "every value of these resources, by its first bytes; whether an object holds a credential is not looked at",
		Needs: needs{need.Keys},
		Run:   unlisted(mayHold()),
	}
}
