package data_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestStaleKeys(t *testing.T) {
	stored.Run(t, "EA-104",
		stored.Case{Name: "one key is no older than another", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k1", 1)}, Status: check.Pass, Says: "all 1 value: compared with the newest key in the store itself: provider p: key_id k1 (Vault key version 1)"},
		stored.Case{Name: "an older version is stale", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k1", 1), "secrets/default/b": stored.KMSv2("p", "k2", 2)}, Status: check.Warn, Count: 1, Says: "1 of 2 values"},
		stored.Case{Name: "the key that is named decides", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k1", 1), "secrets/default/b": stored.KMSv2("p", "k2", 2)}, KeyID: "k1", Status: check.Warn, Count: 1, Says: "compared with key_id k1, as given"},
		stored.Case{Name: "a named key that no value uses makes all stale", Values: stored.Values{"secrets/default/a": stored.KMSv2("p", "k1", 1)}, KeyID: "k9", Status: check.Warn, Count: 1, Says: "k9"},
		stored.Case{Name: "a key of another provider with the same name is not compared", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "p", ""), "secrets/default/b": stored.KMSv2("p", "k1", 1)}, Status: check.Pass, Says: "all 1 value:"},
		stored.Case{Name: "other providers have no key_id", Values: stored.Values{"secrets/default/a": stored.Keyed("aescbc", "k", "")}, Status: check.NotApplicable, Says: "KMS v2"},
	)
}

func TestAnotherKeyThatWasWrittenLastIsNamed(t *testing.T) {
	f := stored.Facts(nil, stored.Record("secrets/default/a", stored.KMSv2("p", "of-the-old-key", 7), 1), stored.Record("secrets/default/b", stored.KMSv2("p", "of-the-new-key", 1), 2))
	r := stored.Result(t, f, "EA-104")
	if r.Status != check.Warn || !strings.Contains(r.Summary, "although key_id of-the-new-key was written last") || !strings.Contains(r.Summary, "--current-key-id") {
		t.Errorf("%v: %s", r.Status, r.Summary)
	}
	f.Stores[0].CurrentKeyID = "of-the-new-key"
	if named := stored.Result(t, f, "EA-104"); strings.Contains(named.Summary, "although") {
		t.Errorf("%s", named.Summary)
	}
}

// Who can write to etcd can name any version: what was opened shows whether it is one.
func TestAForgedKeyIsNotTheNewestOnceValuesWereOpened(t *testing.T) {
	f := stored.Facts(nil,
		stored.Record("secrets/default/a", stored.KMSv2("p", "k1", 1), 1), stored.Record("secrets/default/b", stored.KMSv2("p", "k2", 2), 2),
		stored.Record("secrets/default/c", stored.KMSv2("p", "forged", 999), 3))
	for _, c := range f.Stores[0].Inventory.Secrets().Groups() {
		if c.KeyID == "forged" {
			c.Undecryptable = c.Values
		} else {
			c.Decrypted = c.Values
		}
	}
	r := stored.Result(t, f, "EA-104")
	if r.Status != check.Warn || r.Count != 2 || !strings.HasSuffix(r.Summary, "provider p: key_id k2 (Vault key version 2)") {
		t.Errorf("%v: %s", r.Status, r.Summary)
	}
}

func TestKeysThatAreNotToldApartAreNotCalledNew(t *testing.T) {
	var records []record.Record
	for i := range 10_000 {
		records = append(records, stored.Record(fmt.Sprintf("pods/default/%d", i), stored.Keyed("aescbc", fmt.Sprint(i), ""), 1))
	}
	records = append(records, stored.Record("secrets/default/a", stored.KMSv2("p", "k", 1), 1))
	if r := stored.Result(t, stored.Facts(nil, records...), "EA-104"); r.Status != check.NotEvaluated || !strings.Contains(r.Reason, "1 of 1 value") {
		t.Errorf("%v: %s%s", r.Status, r.Summary, r.Reason)
	}
}
