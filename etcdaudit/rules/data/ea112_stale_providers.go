package data

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func staleProviders() rule {
	const todo = "rewrite the objects through the API server; keep the older provider in the configuration until then"
	return rule{
		ID: "EA-112", Title: "Values are written by the first provider and its first key", Severity: check.Low,
		Needs: needs{need.Comparison, need.Keys},
		Run: compared(
			func(s facts.Store, f found) check.Result {
				return f.warned("encrypted by a provider or key that the configuration only reads with: "+strings.Join(f.per, ", "), rewriting(s, f, todo))
			},
			func(s facts.Store) string {
				return "no encrypted value is of an older provider or key of the configuration" + readBy(s)
			},
			drift.StaleProvider, drift.StaleKey,
		),
	}
}
