package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func plaintextSecrets(inv *inventory.Inventory) (objects []check.Object) {
	for _, g := range inv.Secrets().Groups() {
		if g.Format.Plaintext() {
			objects = append(objects, g.Objects...)
		}
	}
	return objects
}

func TestValuesAreCountedByResourceAndByTheWayTheyWereWritten(t *testing.T) {
	inv := inventory.New("/registry", nil)
	add := func(key, value string) { inv.Add(stored.Record(key, value, 1)) }
	add("configmaps/default/a", stored.Plaintext)
	add("secrets/default/a", stored.Plaintext)
	add("secrets/default/b", stored.KMSv2("p", "k1", 1))
	add("secrets/default/c", stored.KMSv2("p", "k1", 1))
	add("secrets/default/d", stored.KMSv2("p", "k2", 2))
	add("secrets/default/e", "k8s:enc:kms:v2:p:broken")
	add("secrets/default/f", stored.Unknown)
	add("secrets/kube-system/g", `{"data":"`+stored.Canary+`"}`)
	add("example.com/secrets/default/h", stored.Plaintext)
	add("odd", stored.Plaintext)

	s := inv.Secrets()
	if s.Values != 7 || s.Plaintext != 2 || s.Encrypted != 3 || s.Malformed != 1 || s.Unknown != 1 {
		t.Errorf("Secrets: %+v", s)
	}
	var groups []string
	for _, g := range s.Groups() {
		groups = append(groups, fmt.Sprintf("%d %s %s %s v%d %s", g.Values, g.Format, g.Name, g.KeyID, g.VaultVersion, g.Envelope))
	}
	if diff := cmp.Diff([]string{
		"2 kms v2 p k1 v1 transit",
		"1 protobuf   v0 other",
		"1 json   v0 other",
		"1 kms v2 p k2 v2 transit",
		"1 kms v2   v0 other",
		"1 unknown encryption   v0 other",
	}, groups); diff != "" {
		t.Error(diff)
	}
	wantSecrets := []check.Object{{Resource: "secrets", Namespace: "default", Name: "a", Revision: 1}, {Resource: "secrets", Namespace: "kube-system", Name: "g", Revision: 1}}
	if diff := cmp.Diff(wantSecrets, plaintextSecrets(inv)); diff != "" {
		t.Error(diff)
	}
	var resources []string
	for _, r := range inv.Resources() {
		resources = append(resources, r.String())
	}
	if diff := cmp.Diff([]string{inventory.Shapeless, "configmaps", "secrets", "secrets.example.com"}, resources); diff != "" {
		t.Error(diff)
	}
	if total := inv.Totals(); inv.Keys != 10 || total.Values != 10 || total.Plaintext != 5 {
		t.Errorf("totals: %d keys, %+v", inv.Keys, total)
	}
	if strings.Contains(fmt.Sprintf("%#v %#v", inv, inv.Resources()), stored.Canary) {
		t.Error("the inventory holds a part of a value")
	}
}

func TestTheNewestKeyIsToldPerProvider(t *testing.T) {
	type value struct {
		provider, keyID   string
		version, revision int
	}
	tests := []struct {
		name   string
		values []value
		want   map[string]inventory.Reference
	}{
		{"nothing is encrypted", nil, map[string]inventory.Reference{}},
		{"the highest Vault version", []value{{"p", "old", 1, 1}, {"p", "new", 2, 9}}, map[string]inventory.Reference{"p": {KeyID: "new", VaultVersion: 2}}},
		{"the highest Vault version, whatever a replica that lags wrote last", []value{{"p", "old", 1, 9}, {"p", "new", 2, 1}}, map[string]inventory.Reference{"p": {KeyID: "new", VaultVersion: 2, WrittenLast: "old"}}},
		{"the highest Vault version, with a hint where another key was written last", []value{{"p", "old", 7, 8}, {"p", "other", 1, 9}, {"q", "k", 1, 99}}, map[string]inventory.Reference{
			"p": {KeyID: "old", VaultVersion: 7, WrittenLast: "other"}, "q": {KeyID: "k", VaultVersion: 1}}},
		{"the one written last, with the same version", []value{{"p", "old", 1, 8}, {"p", "new", 1, 9}}, map[string]inventory.Reference{"p": {KeyID: "new", VaultVersion: 1}}},
		{"each provider has its own", []value{{"p", "a", 1, 1}, {"q", "b", 7, 1}}, map[string]inventory.Reference{"p": {KeyID: "a", VaultVersion: 1}, "q": {KeyID: "b", VaultVersion: 7}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The result must not depend on the order of reading.
			for range 2 {
				inv := inventory.New("/registry", nil)
				for i, v := range tt.values {
					inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.KMSv2(v.provider, v.keyID, v.version), int64(v.revision)))
				}
				if diff := cmp.Diff(tt.want, inv.Newest()); diff != "" {
					t.Error(diff)
				}
				slices.Reverse(tt.values)
			}
		})
	}
}

func TestAValueIsStaleWithAnotherKeyOrAnOlderVersion(t *testing.T) {
	ref := inventory.Reference{KeyID: "k", VaultVersion: 2}
	for name, tt := range map[string]struct {
		group inventory.Group
		ref   inventory.Reference
		want  bool
	}{
		"the same":                           {inventory.Group{Format: storedvalue.KMSv2, KeyID: "k", VaultVersion: 2}, ref, false},
		"another key":                        {inventory.Group{Format: storedvalue.KMSv2, KeyID: "j", VaultVersion: 2}, ref, true},
		"an older version under the same id": {inventory.Group{Format: storedvalue.KMSv2, KeyID: "k", VaultVersion: 1}, ref, true},
		"a version where none is asked for":  {inventory.Group{Format: storedvalue.KMSv2, KeyID: "k", VaultVersion: 1}, inventory.Reference{KeyID: "k"}, false},
		"another format":                     {inventory.Group{Format: storedvalue.AESCBC, Name: "k"}, ref, false},
		"plaintext":                          {inventory.Group{Format: storedvalue.Protobuf}, ref, false},
		"malformed":                          {inventory.Group{Format: storedvalue.KMSv2, Problem: storedvalue.KeyIDMissing}, ref, false},
	} {
		if got := tt.group.Stale(tt.ref); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMemoryIsBoundedWhateverIsStored(t *testing.T) {
	inv := inventory.New("/registry", nil)
	for i := range 20_000 {
		inv.Add(stored.Record(fmt.Sprintf("a%d/default/x", i), "{}", 1))
		inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.KMSv2("p", fmt.Sprint("key", i), 1), 1))
		inv.Add(stored.Record(fmt.Sprintf("secrets/default/b%d", i), "k8s:enc:kms:v2:p:x", 1))
	}
	groups, names := 0, 0
	for _, r := range inv.Resources() {
		groups += len(r.Groups())
		for _, g := range r.Groups() {
			names += len(g.Objects)
			if len(g.Objects) > 1000 {
				t.Errorf("%d names of %v", len(g.Objects), g.Group)
			}
		}
	}
	if n := len(inv.Resources()); n > 5_002 || groups > 10_100 || names > 20_000 {
		t.Errorf("%d resources, %d groups, %d names", n, groups, names)
	}
	if total := inv.Totals(); total.Values != 60_000 || total.Malformed != 20_000 || total.Encrypted != 20_000 || total.Plaintext != 20_000 {
		t.Errorf("not everything was counted: %+v", total)
	}
}

// What fills the room first must not hide the names of what comes after it.
func TestEveryGroupHasRoomForSomeNames(t *testing.T) {
	inv := inventory.New("/registry", nil)
	for i := range 60_000 {
		inv.Add(stored.Record(fmt.Sprintf("configmaps/default/%d", i), stored.KMSv2("p", fmt.Sprint("newest", i%30), 2), 1))
	}
	for i := range 60_000 {
		inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.Plaintext, 1))
	}
	inv.Add(stored.Record("secrets/kube-system/left", stored.KMSv2("p", "old", 1), 1))
	all := 0
	for _, r := range inv.Resources() {
		for _, g := range r.Groups() {
			all += len(g.Objects)
			if g.KeyID == "old" && (len(g.Objects) != 1 || g.Objects[0].Name != "left") {
				t.Errorf("the one value of an old key: %v", g.Objects)
			}
			if len(g.Objects) < 10 && g.KeyID != "old" {
				t.Errorf("%d names of %s %s", len(g.Objects), r.String(), g.KeyID)
			}
		}
	}
	if n := len(plaintextSecrets(inv)); n != 20_000 || all > n+20_000+31*10 {
		t.Errorf("%d names, %d of them of plaintext Secrets", all, n)
	}
}

func TestLongNamesAreCutWithoutLosingCount(t *testing.T) {
	inv := inventory.New("/registry", nil)
	long := strings.Repeat("n", 1<<20)
	inv.Add(stored.Record("secrets/"+long+"/"+long, stored.Plaintext, 1))
	inv.Add(stored.Record("secrets/default/", stored.Plaintext, 1))
	inv.Add(stored.Record(long+"/default/x", stored.Plaintext, 1))
	named := plaintextSecrets(inv)
	if n := inv.Secrets().Plaintext; n != 2 || len(named) != 2 {
		t.Fatalf("%d plaintext Secrets, %d named", n, len(named))
	}
	cut := strings.Repeat("n", 512) + "..."
	if o := named[0]; o.Namespace != cut || !strings.HasPrefix(o.Name, cut+" (key sha256:") || len(o.Name) > 600 {
		t.Errorf("a namespace of %d bytes and a name of %d", len(o.Namespace), len(o.Name))
	}
	if o := named[1]; o.Name != "/registry/secrets/default/" {
		t.Errorf("a Secret without name is called %q", o.Name)
	}
	for _, r := range inv.Resources() {
		if len(r.String()) > 512 {
			t.Errorf("a resource's name of %d bytes", len(r.String()))
		}
	}
}

func TestPlaintextSecretsAreListedUpToALimitAndCountedBeyondIt(t *testing.T) {
	const limit, more = 20_000, 3
	inv := inventory.New("/registry", nil)
	for i := range limit + more {
		inv.Add(stored.Record(fmt.Sprintf("secrets/default/%d", i), stored.Plaintext, 1))
	}
	if n := len(plaintextSecrets(inv)); n != limit || inv.Secrets().Plaintext != limit+more {
		t.Errorf("%d named, %d counted", n, inv.Secrets().Plaintext)
	}
}

// Names that no API server accepts must not fill the memory: 100,000 of them could.
func TestTheBytesOfNamesAreBounded(t *testing.T) {
	inv := inventory.New("/registry", nil)
	long := strings.Repeat("\x01", 512)
	for i := range 12_000 {
		inv.Add(stored.Record(fmt.Sprintf("secrets/%s/%d", long, i), stored.Plaintext, 1))
		for j := range 3 {
			inv.Add(stored.Record(fmt.Sprintf("r%d/%s/%d", i%300, long, i), stored.KMSv2("p", fmt.Sprint("k", (i+j)%1000), 1), 1))
		}
	}
	bytes := map[bool]int{}
	for _, r := range inv.Resources() {
		for _, g := range r.Groups() {
			for _, o := range g.Objects {
				bytes[r.String() == "secrets"] += len(o.Namespace) + len(o.Name)
			}
			if len(g.Objects) == 0 {
				t.Fatalf("no name of %v", g.Group)
			}
		}
	}
	if secrets, others := bytes[true], bytes[false]; secrets < 23<<20 || secrets > 33<<20 || others > 65<<20 {
		t.Errorf("%d bytes of plaintext Secrets, %d of others", secrets, others)
	}
}

func TestTwoObjectsNeverLookTheSame(t *testing.T) {
	inv, long := full(), strings.Repeat("n", 512)
	keys := []string{"secrets/d/a\x1b", `secrets/d/a\x1b`, "secrets/d/" + long + "1", "secrets/d/" + long + "2", "other1/d/x", "other2/d/x"}
	for _, key := range keys {
		inv.Add(stored.Record(key, stored.Malformed, 1))
	}
	seen := map[string]bool{}
	for _, r := range inv.Resources() {
		for _, g := range r.Groups() {
			for _, o := range g.Objects {
				seen[o.Resource+" "+o.Namespace+" "+o.Name] = true
			}
		}
	}
	if len(seen) != len(keys) {
		t.Errorf("%d keys have the names %v", len(keys), seen)
	}
}

func TestAnObjectSaysWhereItWasFound(t *testing.T) {
	inv := inventory.New("/registry", nil)
	rec := stored.Record("secrets/default/a", stored.Plaintext, 7)
	rec.Origin = record.Origin{Layer: record.WAL, File: "0.wal", Offset: 42}
	inv.Add(rec)
	want := []check.Object{{Resource: "secrets", Namespace: "default", Name: "a", Revision: 7, Origin: &check.Origin{Layer: "wal", File: "0.wal", Offset: 42}}}
	if diff := cmp.Diff(want, plaintextSecrets(inv)); diff != "" {
		t.Error(diff)
	}
}

func TestCountingAKnownGroupDoesNotAllocate(t *testing.T) {
	for _, value := range []string{stored.KMSv2("p", "k", 1), stored.Plaintext, stored.Keyed("aescbc", "k", "")} {
		inv := inventory.New("/registry", nil)
		rec := stored.Record("secrets/default/x", value, 1)
		for range 100_000 { // as many as are named
			inv.Add(rec)
		}
		if n := testing.AllocsPerRun(100, func() { inv.Add(rec) }); n != 0 {
			t.Errorf("%v allocations for %q", n, value)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	inv := inventory.New("/registry", nil)
	rec := stored.Record("secrets/default/database-credentials", stored.KMSv2("sealproof", "v2.00112233445566778899aabbccddeeff", 2), 1)
	b.ReportAllocs()
	for b.Loop() {
		inv.Add(rec)
	}
}
