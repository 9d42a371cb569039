package data

import (
	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func plaintextThoughConfigured() rule {
	todo := step{text: "rewrite the objects through the API server; a configuration only changes what is written after it", rewrites: true}
	return rule{
		ID: "EA-111", Title: "What the configuration encrypts is not stored as plaintext", Severity: check.High,
		Why:   "the configuration promises what the store does not keep: it changes only what is written after it; base64 in what is left is an encoding and no encryption",
		Reads: "every value, beside what the EncryptionConfiguration would write for its resource",
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(check.Fail, "plaintext although the configuration encrypts it", todo,
			func(facts.Store) string { return "every value that the configuration encrypts is encrypted" },
			drift.Plaintext, drift.UnreadablePlaintext,
		),
	}
}
