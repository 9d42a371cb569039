package inventory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/stored"
)

// gcm is an aesgcm value with a nonce and the end of a tag.
func gcm(key, nonce, tag string) string {
	return "k8s:enc:aesgcm:v1:" + key + ":" + nonce + strings.Repeat("c", 30) + tag
}

func repeats(t *testing.T, config string, add func(inv *inventory.Inventory)) []inventory.Repeat {
	t.Helper()
	entries := []string{}
	if config != "" {
		entries = append(entries, config)
	}
	inv := inventory.New("/registry", stored.Config(t, entries...))
	add(inv)
	all, whole := inv.Repeats()
	if again, _ := inv.Repeats(); !whole || !cmp.Equal(all, again) {
		t.Errorf("whole %v, %v and then %v", whole, all, again)
	}
	return all
}

func TestANonceThatIsRepeatedUnderOneKeyIsFound(t *testing.T) {
	one, two := strings.Repeat("\x01", 12), strings.Repeat("\x02", 12)
	named := "bcdef:\x00\x01\x02\x03\x04\x05"
	for name, tt := range map[string]struct {
		config string
		values []string
		want   []inventory.Repeat
	}{
		"two values of one nonce":                {"", []string{gcm("k", one, "aaaa"), gcm("k", one, "bbbb"), gcm("k", two, "cccc")}, []inventory.Repeat{{Key: "k", Nonces: 1, Values: 2, Revisions: []int64{1, 2}}}},
		"two nonces twice":                       {"", []string{gcm("k", one, "aaaa"), gcm("k", two, "bbbb"), gcm("k", two, "cccc"), gcm("k", one, "dddd")}, []inventory.Repeat{{Key: "k", Nonces: 2, Values: 4, Revisions: []int64{1, 4, 2, 3}}}},
		"one nonce under two keys":               {"", []string{gcm("k", one, "aaaa"), gcm("l", one, "bbbb")}, nil},
		"one ciphertext that was copied":         {"", []string{gcm("k", one, "aaaa"), gcm("k", one, "aaaa")}, nil},
		"a copied one, and another":              {"", []string{gcm("k", one, "aaaa"), gcm("k", one, "aaaa"), gcm("k", one, "bbbb")}, []inventory.Repeat{{Key: "k", Nonces: 1, Values: 3, Revisions: []int64{1, 2, 3}}}},
		"a name with a colon looks like a nonce": {"", []string{gcm("a", named, "aaaa"), gcm("a", named, "bbbb")}, []inventory.Repeat{{Key: "a", Nonces: 1, Values: 2, Revisions: []int64{1, 2}, Doubtful: true}}},
		"unless the configuration knows it":      {stored.Entry("secrets", stored.Keys("aesgcm", "a:bcdef")), []string{gcm("a", named+"123456", "aaaa"), gcm("a", named+"654321", "bbbb")}, nil},
		"or the name is confirmed as it is":      {stored.Entry("secrets", stored.Keys("aesgcm", "a")), []string{gcm("a", named, "aaaa"), gcm("a", named, "bbbb")}, []inventory.Repeat{{Key: "a", Nonces: 1, Values: 2, Revisions: []int64{1, 2}}}},
		"other providers have other nonces":      {"", []string{stored.Keyed("aescbc", "k", ""), stored.Keyed("aescbc", "k", "y")}, nil},
	} {
		got := repeats(t, tt.config, func(inv *inventory.Inventory) {
			for i, v := range tt.values {
				inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), v, int64(i+1)))
			}
		})
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A live reading that goes on at a newer revision takes back what was changed meanwhile.
func TestANonceThatIsTakenBackIsNotRepeated(t *testing.T) {
	nonce := strings.Repeat("\x01", 12)
	old := stored.Record("secrets/default/a", gcm("k", nonce, "aaaa"), 1)
	back := old
	back.Retracted = true
	if got := repeats(t, "", func(inv *inventory.Inventory) {
		inv.Add(old)
		inv.Add(back)
		inv.Add(stored.Record("secrets/default/a", gcm("k", nonce, "bbbb"), 2))
	}); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestOnlyLiveNoncesAreCompared(t *testing.T) {
	if got := repeats(t, "", func(inv *inventory.Inventory) {
		for i, tag := range []string{"aaaa", "bbbb"} {
			rec := stored.Record("secrets/default/a", gcm("k", strings.Repeat("\x01", 12), tag), int64(i))
			rec.Origin.Layer = record.History
			inv.Add(rec)
		}
	}); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestNoncesBeyondTheLimitAreNotCalledCompared(t *testing.T) {
	inv := inventory.New("/registry", nil)
	for i := range 10_001 {
		inv.Add(stored.Record("secrets/default/a", gcm(fmt.Sprint(i), strings.Repeat("\x01", 12), "aaaa"), 1))
	}
	if _, whole := inv.Repeats(); whole {
		t.Error("all are said to be compared")
	}
}

func TestHowOftenValuesWereWrittenIsCounted(t *testing.T) {
	inv := inventory.New("/registry", nil)
	for i, version := range []int64{3, 0, 40} {
		rec := stored.Record(fmt.Sprintf("secrets/default/%d", i), gcm("k", "123456789012", "aaaa"), int64(20-i))
		rec.Version = version
		inv.Add(rec)
		if i == 2 {
			rec.Retracted = true
			inv.Add(rec)
		}
	}
	if g := inv.Secrets().Groups()[0]; g.Writes != 4 || g.Values != 2 || g.NewestRevision != 20 || g.OldestRevision != 18 {
		t.Errorf("%+v", *g)
	}
}
