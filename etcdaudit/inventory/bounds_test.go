package inventory_test

import (
	"fmt"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/test/stored"
)

// full is an inventory that tells no further resource apart: the limit is
// reached before anything that is exempt from it has come.
func full() *inventory.Inventory {
	inv := inventory.New("/registry", nil)
	for i := range 5000 {
		inv.Add(stored.Record(fmt.Sprintf("a%04d/default/x", i), stored.Plaintext, 1))
	}
	return inv
}

func TestSecretsAreToldApartHoweverManyResourcesCameBefore(t *testing.T) {
	inv := full()
	inv.Add(stored.Record("pods/default/x", stored.Plaintext, 1))
	inv.Add(stored.Record("secrets/default/x", stored.Plaintext, 1))
	inv.Add(stored.Record("secrets/default/y", stored.KMSv2("p", "k", 1), 1))
	if s := inv.Secrets(); s == nil || s.Values != 2 || s.Plaintext != 1 || len(plaintextSecrets(inv)) != 1 {
		t.Errorf("%+v, %d named", s, len(plaintextSecrets(inv)))
	}
	if inv.Has("pods") || !inv.Has("a4999") {
		t.Error("the limit is not where it is said to be")
	}
	total := int64(0)
	for _, r := range inv.Resources() {
		total += r.Values
		if r.Name == inventory.Other && r.Values != 1 {
			t.Errorf("%d values of other resources", r.Values)
		}
	}
	if total != inv.Keys || total != 5003 {
		t.Errorf("%d values of %d keys", total, inv.Keys)
	}
}

func TestTheNewestRevisionOfAGroupIsTheHighest(t *testing.T) {
	for name, revisions := range map[string][]int64{"rising": {3, 5, 9}, "falling": {9, 5, 3}, "between": {5, 9, 3}} {
		inv := inventory.New("/registry", nil)
		for i, revision := range revisions {
			inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.KMSv2("p", "k", 1), revision))
		}
		if g := inv.Secrets().Groups(); len(g) != 1 || g[0].NewestRevision != 9 || g[0].Values != 3 {
			t.Errorf("%s: %+v", name, *g[0])
		}
	}
}

// Two keys, each of which wrote both before and after the other: what decides is
// the last value of all, in whatever order the values are read.
func TestTheKeyWrittenLastIsToldByAllItsValues(t *testing.T) {
	type value struct {
		keyID    string
		revision int64
	}
	for _, order := range [][]value{
		{{"a", 9}, {"b", 8}, {"a", 1}, {"b", 2}},
		{{"a", 1}, {"b", 2}, {"b", 8}, {"a", 9}},
		{{"b", 2}, {"a", 1}, {"a", 9}, {"b", 8}},
		{{"b", 8}, {"a", 9}, {"b", 2}, {"a", 1}},
	} {
		inv := inventory.New("/registry", nil)
		for i, v := range order {
			inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.KMSv2("p", v.keyID, 1), v.revision))
		}
		if ref := inv.Newest()["p"]; ref.KeyID != "a" || ref.WrittenLast != "" {
			t.Errorf("%v: %+v", order, ref)
		}
	}
}

// The limit of ways of writing is for what is encrypted and well-formed: it can
// be reached before the first value of another kind comes.
func TestWhatIsNotEncryptedIsToldApartHoweverManyKeysCameBefore(t *testing.T) {
	inv := inventory.New("/registry", nil)
	for i := range 10_000 {
		inv.Add(stored.Record(fmt.Sprintf("configmaps/default/%d", i), stored.KMSv2("p", fmt.Sprint(i), 1), 1))
	}
	inv.Add(stored.Record("secrets/default/a", stored.Plaintext, 1))
	inv.Add(stored.Record("secrets/default/b", "k8s:enc:kms:v2:p:x", 1))
	inv.Add(stored.Record("secrets/default/c", "k8s:enc:rot13:v1:x", 1))
	for _, encrypted := range []string{"d", "e"} {
		inv.Add(stored.Record("secrets/default/"+encrypted, stored.KMSv2("p", encrypted, 1), 7))
	}
	rest := 0
	for _, g := range inv.Secrets().Groups() {
		if g.Rest {
			rest++
			if g.Values != 2 || g.KeyID != "" || g.NewestRevision != 7 {
				t.Errorf("%+v", *g)
			}
		}
	}
	if s := inv.Secrets(); rest != 1 || len(s.Groups()) != 4 || s.Plaintext != 1 || s.Malformed != 1 || s.Unknown != 1 || s.Encrypted != 2 {
		t.Errorf("%d rests in %d groups: %+v", rest, len(s.Groups()), s)
	}
	for _, g := range inv.Secrets().Groups() {
		if len(g.Objects) != int(g.Values) {
			t.Errorf("%d of %d are named: %+v", len(g.Objects), g.Values, g.Group)
		}
	}
}
