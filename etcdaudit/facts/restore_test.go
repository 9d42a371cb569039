package facts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/test/stored"
)

func TestARestoreNeedsWhatTheValuesSay(t *testing.T) {
	s := facts.Store{
		Scope:     record.Scope{Layer: record.Live, Prefix: "/registry/", Copy: "snapshot", Sources: []record.Input{{Name: "b.db", Bytes: 1}}},
		Inventory: inventory.New("/registry", nil), Verified: verify.NewTally(),
	}
	for _, rec := range stored.Records(stored.Values{
		"secrets/default/a": stored.KMSv2("p\x1b", "k1", 1, "cluster.sealproof", "prod"), "secrets/default/b": stored.KMSv2("p\x1b", "k2", 2, "cluster.sealproof", "old"),
		"configmaps/default/c": stored.KMSv2("p\x1b", "k1", 1, "cluster.sealproof", "prod"), "secrets/default/d": stored.Plaintext, "pods/default/e": stored.Plaintext,
		"secrets/default/f": stored.Keyed("aescbc", "key1", ""), "secrets/default/g": stored.Malformed,
		"secrets/default/h": stored.Claimed(), // nothing reads it
	}) {
		r := verify.Result{Outcome: verify.Opened}
		if string(rec.Key) == "/registry/secrets/default/b" {
			r = verify.Result{Outcome: verify.WrongKey}
		}
		group := s.Inventory.Add(rec)
		if s.Verified.Add(rec, r); r.Outcome == verify.Opened {
			group.Decrypted++
		} else {
			group.Undecryptable++
		}
	}
	u := facts.Unwrapping{
		Keys:  map[string]facts.KeyVersion{"k1": {Key: "transit/kubernetes", Version: 1}},
		Asked: []verify.Asked{{Name: "nobody"}, {Name: "the plugin", KeyIDs: []string{"k0", "k1"}}},
	}
	var got []string
	for _, r := range s.Requirements(u) {
		got = append(got, fmt.Sprintf("%s: %s (%s)", r.What, r.Value, r.Why))
	}
	want := []string{
		"etcd prefix (--etcd-prefix): /registry (what is bound to its etcd key (kms v2, aesgcm) opens under that one alone)",
		"EncryptionConfiguration: aescbc key1 (1 value of secrets)",
		"EncryptionConfiguration: identity (1 value of secrets)", // the API server reads its plaintext beside the rest
		`EncryptionConfiguration: kms v2 p\x1b (3 values of configmaps, secrets)`,
		"Vault key: transit/kubernetes, version 1 (key_id k1, 2 of 2 values opened, by the plugin; min_decryption_version must not be above it)",
		"Vault key: version 2 of the key behind key_id k2 (0 of 1 value opened, 1 cannot be; min_decryption_version must not be above it)",
		"cluster identity: old (1 value is bound to it: cluster, or accept-clusters, in the plugin's configuration)",
		"cluster identity: prod (2 values are bound to it: cluster, or accept-clusters, in the plugin's configuration)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	rec := stored.Record("secrets/default/m", stored.KMSv2("p", "k1", 1), 9)
	s.Verified.Add(rec, verify.Result{Outcome: verify.Moved, From: "/kubernetes.io/secrets/default/m"})
	if r := s.Requirements(u)[0]; r.Why != "what was written elsewhere opens there alone: 1 value, the first under /kubernetes.io/secrets/default/m" {
		t.Errorf("%s", r.Why)
	}
}

func TestOnlyLiveValuesOfFilesAreRestored(t *testing.T) {
	file := []record.Input{{Name: "b.db", Bytes: 1}}
	for name, tc := range map[string]struct {
		store facts.Store
		want  bool
	}{
		"a snapshot":          {facts.Store{Scope: record.Scope{Layer: record.Live, Sources: file}, Verified: verify.NewTally()}, true},
		"its history":         {facts.Store{Scope: record.Scope{Layer: record.History, Sources: file}, Verified: verify.NewTally()}, false},
		"a running etcd":      {facts.Store{Scope: record.Scope{Layer: record.Live, Sources: []record.Input{{Name: "https://a"}}}, Verified: verify.NewTally()}, false},
		"what was not opened": {facts.Store{Scope: record.Scope{Layer: record.Live, Sources: file}}, false},
	} {
		if tc.store.Restorable() != tc.want {
			t.Errorf("%s: %v", name, !tc.want)
		}
	}
}
