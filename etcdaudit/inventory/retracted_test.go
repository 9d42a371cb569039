package inventory_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/test/stored"
)

func TestWhatIsRetractedCountsNoMore(t *testing.T) {
	inv := inventory.New("/registry", nil)
	add := func(key, value string, retracted bool) {
		rec := stored.Record(key, value, 1)
		rec.Retracted = retracted
		inv.Add(rec)
	}
	add("secrets/default/a", stored.Plaintext, false)
	add("secrets/default/b", stored.Plaintext, false)
	add("secrets/default/c", stored.KMSv2("p", "k1", 1), false)
	add("configmaps/default/a", stored.Plaintext, false)

	add("secrets/default/a", stored.Plaintext, true) // encrypted meanwhile
	add("secrets/default/a", stored.KMSv2("p", "k2", 1), false)
	add("secrets/default/c", stored.KMSv2("p", "k1", 1), true) // and two deleted
	add("configmaps/default/a", stored.Plaintext, true)

	if s := inv.Secrets(); inv.Keys != 2 || s.Values != 2 || s.Plaintext != 1 || s.Encrypted != 1 || len(s.Groups()) != 2 || inv.Has("configmaps") {
		t.Errorf("%d keys: %+v", inv.Keys, inv.Secrets())
	}
	if objects := plaintextSecrets(inv); len(objects) != 1 || objects[0].Name != "b" {
		t.Errorf("named: %+v", objects)
	}
}

func TestTheOnlyValueOfAGroupOrAResourceIsCountedWhereItIsReplaced(t *testing.T) {
	for name, encrypted := range map[string]int64{"the only one of its group": 1, "the only one of its resource": 0} {
		t.Run(name, func(t *testing.T) {
			inv := inventory.New("/registry", nil)
			if encrypted > 0 {
				inv.Add(stored.Record("secrets/default/other", stored.KMSv2("p", "k1", 1), 1))
			}
			rec := stored.Record("secrets/default/a", stored.Plaintext, 1)
			inv.Add(rec)
			rec.Retracted = true
			inv.Add(rec)
			inv.Add(stored.Record("secrets/default/a", stored.Plaintext, 2))

			s := inv.Secrets()
			if s == nil || s.Plaintext != 1 || s.Encrypted != encrypted || int64(len(s.Groups())) != 1+encrypted {
				t.Fatalf("counted: %+v", s)
			}
			if objects := plaintextSecrets(inv); len(objects) != 1 || objects[0].Revision != 2 {
				t.Errorf("named: %+v", objects)
			}
		})
	}
}
