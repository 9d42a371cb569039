package data

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func olderDecryptable() rule {
	const todo = "nothing, if keys were retired on purpose or values were damaged where etcd no longer reads them; else see EA-141: whoever reads an older revision, or rolls back to it, needs these keys"
	return rule{
		ID: "EA-142", Title: "What outlives live values can be decrypted", Severity: check.Low,
		Why:   "an older revision that does not open is of no use to anyone who returns to it; and what was moved or changed there shows what was done to live values before",
		Reads: "every whole value in history, free pages and log, opened in memory (--verify)",
		Needs: needs{need.Verified},
		Run:   judgeOpened(check.Warn, todo, nothingLeft),
	}
}
