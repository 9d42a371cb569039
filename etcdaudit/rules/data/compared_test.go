package data_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func malformedIsNotJudged() stored.Case {
	return stored.Case{
		Name: "a damaged value is not judged", Values: stored.Values{"secrets/default/a": stored.Malformed, "secrets/default/b": stored.KMSv2("p", "k", 1)},
		Config: stored.Entry("secrets", stored.KMS("v2", "p")), Status: check.NotEvaluated, Says: "1 value malformed (see EA-102)",
	}
}

// A store can be made to hold more names than are told apart. What is left out then
// must not pass.
func TestMoreKeysThanAreToldApartHideNothing(t *testing.T) {
	config := stored.Config(t, stored.Entry("secrets, configmaps", stored.KMS("v2", "p"), stored.Identity))
	var records []record.Record
	for i := range 10_001 {
		records = append(records, stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.KMSv2("p", fmt.Sprintf("k%05d", i), 1), int64(i)))
	}
	f := stored.Facts(config, records...)
	for _, id := range []string{"EA-111", "EA-112", "EA-113", "EA-114"} {
		if r := stored.Result(t, f, id); r.Status != check.Pass {
			t.Errorf("%s: %v: %s%s", id, r.Status, r.Summary, r.Reason)
		}
	}
	inv := f.Stores[0].Inventory
	inv.Add(stored.Record("secrets/default/unreadable", stored.KMSv2("q", "k", 1), 1))
	if r := stored.Result(t, f, "EA-114"); r.Status != check.Fail || r.Count != 1 || len(r.Objects) != 1 || r.Objects[0].Name != "unreadable" {
		t.Errorf("a value of another provider after so many keys: %v, count %d, %v", r.Status, r.Count, r.Objects)
	}
	inv.Add(stored.Record("configmaps/default/a", stored.Plaintext, 1))
	if r := stored.Result(t, f, "EA-111"); r.Status != check.Fail || r.Count != 1 {
		t.Errorf("plaintext after so many keys: %v, count %d", r.Status, r.Count)
	}
}

// Resources beyond the limit are counted together. Neither their group nor
// their rule is known, whatever the configuration names.
func TestWhatIsNotToldApartIsNotJudged(t *testing.T) {
	encrypted := stored.KMSv2("p", "k", 1)
	// The filler is as configured: what is told apart gives no finding.
	for name, tt := range map[string]struct{ entries, filler, value string }{
		"plaintext that an entry may name":  {stored.Entry("secrets", stored.KMS("v2", "p")), stored.Plaintext, stored.Plaintext},
		"plaintext under a wildcard":        {stored.Entry(`"*.*"`, stored.KMS("v2", "p")), encrypted, stored.Plaintext},
		"encrypted, and no entry names it":  {stored.Entry("secrets", stored.KMS("v2", "p")), stored.Plaintext, encrypted},
		"encrypted under a wildcard":        {stored.Entry(`"*.*"`, stored.KMS("v2", "p")), encrypted, encrypted},
		"encrypted while identity is first": {stored.Entry(`"*.*"`, stored.Identity, stored.KMS("v2", "p")), stored.Plaintext, encrypted},
	} {
		t.Run(name, func(t *testing.T) {
			config := stored.Config(t, tt.entries)
			var crowded []record.Record
			for i := range 5000 {
				crowded = append(crowded, stored.Record(fmt.Sprintf("example.com/a%04d/default/x", i), tt.filler, 1))
			}
			crowded = append(crowded, stored.Record("example.com/gizmos/default/x", tt.value, 1))
			shapeless := []record.Record{stored.Record("x", tt.value, 1)}
			for special, records := range map[string][]record.Record{inventory.Other: crowded, inventory.Shapeless: shapeless} {
				f := stored.Facts(config, records...)
				for _, id := range []string{"EA-111", "EA-112", "EA-114"} {
					if r := stored.Result(t, f, id); r.Status != check.NotEvaluated || !strings.Contains(r.Reason, special) || strings.Contains(r.Reason, "API group") {
						t.Errorf("%s of %s: %v: %s%s", id, special, r.Status, r.Summary, r.Reason)
					}
				}
			}
		})
	}
}
