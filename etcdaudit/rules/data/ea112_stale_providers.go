package data

import (
	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func staleProviders() rule {
	todo := step{text: "rewrite the objects through the API server; keep the older provider in the configuration until then", rewrites: true}
	return rule{
		ID: "EA-112", Title: "Values are written by the first provider and its first key", Severity: check.Low,
		Why:   "a provider or key that still has values cannot be removed from the configuration",
		Reads: "the provider and key of every value, beside those that the EncryptionConfiguration writes with; where it holds the key, the key is tried",
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(check.Warn, "encrypted by a provider or key that the configuration only reads with", todo,
			func(s facts.Store) string {
				return "no encrypted value is of an older provider or key of the configuration" + readBy(s)
			},
			drift.StaleProvider, drift.StaleKey,
		),
	}
}
