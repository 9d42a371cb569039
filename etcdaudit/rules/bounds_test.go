package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules"
)

// Resources beyond the limit are counted together. Neither their group nor
// their rule is known, whatever the configuration names.
func TestWhatIsNotToldApartIsNotJudged(t *testing.T) {
	encrypted := kmsV2("p", "k", 1)
	// The filler is as configured: what is told apart gives no finding.
	for name, tt := range map[string]struct{ entries, filler, value string }{
		"plaintext that an entry may name":  {entry("secrets", kmsProvider), plain, plain},
		"plaintext under a wildcard":        {entry(`"*.*"`, kmsProvider), encrypted, plain},
		"encrypted, and no entry names it":  {entry("secrets", kmsProvider), plain, encrypted},
		"encrypted under a wildcard":        {entry(`"*.*"`, kmsProvider), encrypted, encrypted},
		"encrypted while identity is first": {entry(`"*.*"`, "{identity: {}}", kmsProvider), plain, encrypted},
	} {
		t.Run(name, func(t *testing.T) {
			crowded, shapeless := inventory.New("/registry"), inventory.New("/registry")
			crowded.Config = config(t, tt.entries)
			shapeless.Config = crowded.Config
			for i := range 5000 {
				crowded.Add(fmt.Appendf(nil, "/registry/example.com/a%04d/default/x", i), []byte(tt.filler), 1)
			}
			crowded.Add([]byte("/registry/example.com/gizmos/default/x"), []byte(tt.value), 1)
			shapeless.Add([]byte("/registry/x"), []byte(tt.value), 1)
			for special, inv := range map[string]*inventory.Inventory{inventory.Other: crowded, inventory.Shapeless: shapeless} {
				in := rules.Input{Inventory: inv}
				for _, c := range rules.Evaluate(in) {
					if judges := c.Id == "EA-111" || c.Id == "EA-112" || c.Id == "EA-114"; judges && (c.Status != notEvaluated || !strings.Contains(c.Reason, special) || strings.Contains(c.Reason, "API group")) {
						t.Errorf("%s of %s: %v: %s%s", c.Id, special, c.Status, c.Summary, c.Reason)
					}
				}
			}
		})
	}
}
