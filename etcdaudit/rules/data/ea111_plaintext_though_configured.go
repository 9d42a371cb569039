package data

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func plaintextThoughConfigured() rule {
	const todo = "rewrite the objects through the API server; a configuration only changes what is written after it"
	return rule{
		ID: "EA-111", Title: "What the configuration encrypts is not stored as plaintext", Severity: check.High,
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(
			func(s facts.Store, f found) check.Result {
				return f.failed("plaintext although the configuration encrypts it: "+strings.Join(f.per, ", "), rewriting(s, f, todo))
			},
			func(facts.Store) string { return "every value that the configuration encrypts is encrypted" },
			drift.Plaintext, drift.UnreadablePlaintext,
		),
	}
}
