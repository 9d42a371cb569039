package data

import (
	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func encryptedUnconfigured() rule {
	todo := step{text: "identity stands first: every object that is written becomes plaintext; put the encrypting provider first, and keep identity behind it, unless decrypting is meant"}
	return rule{
		ID: "EA-113", Title: "The configuration still encrypts what is encrypted", Severity: check.Medium,
		Why:   "the next write of such an object stores it as plaintext, without a word",
		Reads: "every encrypted value, beside what the EncryptionConfiguration would write for its resource",
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(check.Warn, "encrypted, but the configuration writes plaintext", todo,
			func(facts.Store) string { return "the configuration writes no plaintext over an encrypted value" },
			drift.EncryptedUnconfigured,
		),
	}
}
