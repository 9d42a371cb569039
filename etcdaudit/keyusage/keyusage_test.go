package keyusage_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/test/stored"
)

// in is a value in a layer.
func in(layer record.Layer, key, value string, revision int64) record.Record {
	rec := stored.Record(key, value, revision)
	rec.Origin.Layer = layer
	return rec
}

// inTree are the layers whose values are needed.
func inTree(at record.Origin) bool { return at.Layer == record.Live || at.Layer == record.History }

var scopes = []record.Scope{
	{Layer: record.Live, Prefix: "/registry/"}, {Layer: record.History, Prefix: "/registry/"}, {Layer: record.FreePages, Prefix: "/registry/"},
}

func read(r *keyusage.Register, records ...record.Record) {
	reading := r.Begin(scopes, inTree)
	for _, rec := range records {
		reading.Add(rec)
	}
	reading.Keep()
}

func TestEachVersionIsCountedWithItsDEKSourcesInEachLayer(t *testing.T) {
	r := keyusage.New(func(k keyusage.Key) bool { return k.Version == 1 })
	one, other := stored.KMSv2("p", "k1", 1), stored.KMSv2("p", "k1", 1, "dek.example", "2")
	read(r,
		in(record.Live, "secrets/default/a", one, 5), in(record.Live, "secrets/default/b", one, 9), in(record.Live, "secrets/default/c", other, 7),
		in(record.History, "secrets/default/a", one, 3), in(record.FreePages, "secrets/default/a", other, 2),
		in(record.Live, "secrets/default/d", stored.KMSv2("p", "k2", 2), 12),
		in(record.Live, "configmaps/default/a", stored.Plaintext, 4), in(record.Live, "secrets/default/e", stored.Malformed, 8),
		in(record.Live, "secrets/default/f", stored.Unknown, 8), in(record.Live, "secrets/default/g", stored.Keyed("aescbc", "key1", ""), 8),
	)
	read(r, in(record.Live, "secrets/default/a", other, 5)) // a copy

	all := r.Usages()
	if len(all) != 3 || all[0].Format != storedvalue.AESCBC || all[0].Name != "key1" || all[0].DEKSources != 0 {
		t.Fatalf("%+v", all)
	}
	first := all[1]
	for i := range first.Uses {
		var named []string
		for _, o := range first.Uses[i].Objects {
			named = append(named, o.Resource+"/"+o.Namespace+"/"+o.Name)
		}
		want := [][]string{{"secrets/default/a", "secrets/default/b", "secrets/default/c"}, {"secrets/default/a"}, nil, {"secrets/default/a"}}[i]
		if !slices.Equal(named, want) {
			t.Errorf("use %d names %v", i, named)
		}
		first.Uses[i].Objects = nil
	}
	want := []keyusage.Use{
		{Layer: 0, Values: 3, Needed: 3, DEKSources: 2, Most: 2, First: 5, Last: 9},
		{Layer: 1, Values: 1, Needed: 1, DEKSources: 1, Most: 1, First: 3, Last: 3},
		{Layer: 2, Values: 1, DEKSources: 1, Most: 1, First: 2, Last: 2},
		{Layer: 3, Values: 1, Needed: 1, DEKSources: 1, Most: 1, First: 5, Last: 5},
	}
	if diff := cmp.Diff(want, first.Uses); diff != "" || first.DEKSources != 2 || first.KeyID != "k1" || first.Version != 1 {
		t.Errorf("%d DEK sources of %s: %s", first.DEKSources, first.KeyID, diff)
	}
	if second := all[2]; second.Version != 2 || len(second.Uses) != 1 || second.Uses[0].Objects != nil {
		t.Errorf("%+v", second)
	}
	if got := r.Counts()[0]; got != (keyusage.Counts{Plaintext: 1, Encrypted: 5, Malformed: 1, Unknown: 1, UnknownNeeded: 1, DEKSources: 3}) {
		t.Errorf("%+v", got)
	}
}

// An API server keeps an unwrapped DEK by what this tells apart, and writes annotations in the order
// of a map.
func TestDEKSourcesAreToldApartAsAnAPIServerDoesIt(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b  string
		equal bool
	}{
		"annotations in another order": {stored.KMSv2("p", "k", 1, "a.b", "1", "c.d", "2"), stored.KMSv2("p", "k", 1, "c.d", "2", "a.b", "1"), true},
		"another annotation":           {stored.KMSv2("p", "k", 1, "a.b", "1"), stored.KMSv2("p", "k", 1, "a.b", "2"), false},
		"swapped values":               {stored.KMSv2("p", "k", 1, "a.b", "1", "c.d", "2"), stored.KMSv2("p", "k", 1, "a.b", "2", "c.d", "1"), false},
		"another key_id":               {stored.KMSv2("p", "k", 1), stored.KMSv2("p", "l", 1), false},
		"another provider":             {stored.KMSv2("p", "k", 1), stored.KMSv2("q", "k", 1), false},
		"another source":               {stored.KMSv2("p", "k", 1), stored.KMSv2("p", "k", 2), false},
		"the parts shifted":            {stored.KMSv2("pk", "k", 1), stored.KMSv2("p", "kk", 1), false},
	} {
		r := keyusage.New(nil)
		// Several times: what was just met is found in another way than what is met anew.
		var all []record.Record
		for i := range 6 {
			all = append(all, in(record.Live, fmt.Sprint("secrets/d/", i), []string{tt.a, tt.b}[i/2%2], 1))
		}
		read(r, all...)
		if n := r.Counts()[0].DEKSources; (n == 1) != tt.equal {
			t.Errorf("%s: %d", name, n)
		}
	}
}

func TestTheLocalKEKIsSeenWithoutAKey(t *testing.T) {
	source := "\x01FINGERPR" + "nonce4567890" + "sealed seed of 32 bytes ........" + "tag.............."
	value := stored.KMSv2Source("p", "v3.abc", source, transit.AnnotationCluster, "prod", transit.AnnotationKEK, "vault:v3:wrapped")
	r := keyusage.New(nil)
	read(r, in(record.Live, "secrets/d/a", value, 1))
	want := keyusage.Key{
		Format: storedvalue.KMSv2, Name: "p", KeyID: "v3.abc", Version: 3, Envelope: storedvalue.EnvelopeSealproofLocal, Cluster: "prod", LocalKEK: "FINGERPR",
	}
	if got := r.Usages(); len(got) != 1 || got[0].Key != want {
		t.Errorf("%+v", got)
	}
}

// Whatever is read, retracted and read again, the counts are those of counting what is left.
func TestCountsAreThoseOfWhatIsLeft(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		r := keyusage.New(func(keyusage.Key) bool { return true })
		type dek struct{ key, source int }
		left := map[dek]int64{}         // in live, of all sources
		total := map[int]map[int]bool{} // DEK sources of each key
		for range 1 + random.IntN(3) {
			value := func(d dek) string {
				return stored.KMSv2("p", fmt.Sprint("k", d.key), d.key, "n.d", fmt.Sprint(d.source))
			}
			reading := r.Begin(scopes, inTree)
			var added []dek
			here := map[dek]int64{}
			for i := range random.IntN(60) {
				if len(added) > 0 && random.IntN(4) == 0 {
					at := random.IntN(len(added))
					rec := in(record.Live, fmt.Sprintf("secrets/d/%d", at), value(added[at]), 1)
					rec.Retracted = true
					if here[added[at]] > 0 {
						reading.Add(rec)
						here[added[at]]--
						added = slices.Delete(added, at, at+1)
					}
					continue
				}
				d := dek{1 + random.IntN(3), random.IntN(4)}
				reading.Add(in(record.Live, fmt.Sprintf("secrets/d/%d", i), value(d), 1))
				added = append(added, d)
				here[d]++
			}
			if random.IntN(3) == 0 {
				reading.Drop()
				continue
			}
			reading.Keep()
			for d, n := range here {
				if n > 0 {
					left[d] += n
					if total[d.key] == nil {
						total[d.key] = map[int]bool{}
					}
					total[d.key][d.source] = true
				}
			}
		}
		got, want := map[int]int64{}, map[int]int64{}
		for d, n := range left {
			want[d.key] += n
		}
		for _, u := range r.Usages() {
			got[int(u.Version)] = u.Needed()
			if u.DEKSources != int64(len(total[int(u.Version)])) {
				t.Errorf("round %d: %d DEK sources of %s, want %d", round, u.DEKSources, u.KeyID, len(total[int(u.Version)]))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
}

func TestMemoryIsBoundedByTheDEKSources(t *testing.T) {
	const sources = 300_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := keyusage.New(nil)
	reading := r.Begin(scopes, inTree)
	for i := range sources {
		reading.Add(in(record.Live, "secrets/default/a", stored.KMSv2("p", "k", 1, "n.d", fmt.Sprint(i)), 1))
	}
	reading.Keep()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := r.Counts()[0].DEKSources; n != sources {
		t.Fatalf("%d DEK sources", n)
	}
	if each := int64(after.HeapAlloc-before.HeapAlloc) / sources; each > 256 {
		t.Errorf("%d bytes for each DEK source", each)
	}
}

func TestWhatAHostileStoreCanMakeItRememberIsBounded(t *testing.T) {
	r := keyusage.New(func(keyusage.Key) bool { return true })
	reading := r.Begin(scopes, inTree)
	for i := range 25_000 {
		for j := range 2 {
			reading.Add(in(record.Live, fmt.Sprintf("secrets/default/%d-%d", i, j), stored.KMSv2("p", fmt.Sprint("k", i), 1), 1))
		}
	}
	reading.Keep()
	names, values, rest := 0, int64(0), false
	for _, u := range r.Usages() {
		names, values, rest = names+len(u.Uses[0].Objects), values+u.Needed(), rest || u.Rest
	}
	if n := len(r.Usages()); n > 10_001 || names > 20_000 || values != 50_000 || !rest {
		t.Errorf("%d keys, %d names, %d values, rest %v", n, names, values, rest)
	}
}

func TestCountingAKnownDEKSourceDoesNotAllocate(t *testing.T) {
	for _, value := range []string{stored.KMSv2("p", "k", 1, "a.b", "1"), stored.Plaintext, stored.Keyed("aescbc", "k", "")} {
		reading := keyusage.New(nil).Begin(scopes, inTree)
		rec := in(record.Live, "secrets/default/x", value, 1)
		reading.Add(rec)
		if n := testing.AllocsPerRun(100, func() { reading.Add(rec) }); n != 0 {
			t.Errorf("%v allocations for %q", n, value)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	for name, sources := range map[string]int{"one DEK source": 1, "a thousand": 1000} {
		b.Run(name, func(b *testing.B) {
			reading := keyusage.New(nil).Begin(scopes, inTree)
			var all []record.Record
			for i := range sources {
				rec := in(record.Live, "secrets/default/database-credentials", stored.KMSv2("sealproof", "v2.00112233445566778899aabbccddeeff", 2, transit.AnnotationCluster, "prod", "n.d", fmt.Sprint(i)), 1)
				parsed := storedvalue.Parse(rec.Value)
				rec.Parsed = &parsed
				all = append(all, rec)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				reading.Add(all[i%len(all)])
			}
		})
	}
}
