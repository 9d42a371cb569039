package data

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func encryptedUnconfigured() rule {
	const todo = "identity stands first: every object that is written becomes plaintext; put the encrypting provider first, and keep identity behind it, unless decrypting is meant"
	return rule{
		ID: "EA-113", Title: "The configuration still encrypts what is encrypted", Severity: check.Medium,
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(
			func(s facts.Store, f found) check.Result {
				return f.warned("encrypted, but the configuration writes plaintext: "+strings.Join(f.per, ", "), remedy(s, f, todo))
			},
			func(facts.Store) string { return "the configuration writes no plaintext over an encrypted value" },
			drift.EncryptedUnconfigured,
		),
	}
}
