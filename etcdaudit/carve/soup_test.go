package carve_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// soup is objects and garbage in random order, with what has to be found in it.
type soup struct {
	t    testing.TB
	rand *rand.Rand
	data []byte
	want []found
}

func cook(t testing.TB, seed uint64, parts int) *soup {
	s := &soup{t: t, rand: rand.New(rand.NewPCG(seed, 1))}
	others := named(t)
	names := slices.Sorted(mapKeys(others))
	for range parts {
		switch s.rand.IntN(5) {
		case 0:
			s.data = append(s.data, garbage(s.rand.Uint64(), 8*s.rand.IntN(200))...)
		case 1:
			s.data = append(s.data, make([]byte, s.rand.IntN(5000))...)
		case 2:
			s.data = append(s.data, others[names[s.rand.IntN(len(names))]]...)
			s.data = append(s.data, 0)
		default:
			s.plant()
		}
	}
	return s
}

// plant adds a Secret, with or without its key, or within a ConfigMap.
func (s *soup) plant() {
	name := fmt.Sprintf("name-%d", s.rand.IntN(1e9))
	format := formats[s.rand.IntN(len(formats))]
	size := []int{0, 1, 100, 1000, 5000, 40_000}[s.rand.IntN(6)]
	value := encode(s.t, format, secret("space", name, size))
	want := found{Resource: "secrets", Key: "/registry/secrets/space/" + name, Namespace: "space", Name: name, Format: format, Length: int64(len(value))}
	var framed []byte
	switch s.rand.IntN(4) {
	case 0:
		want.Create, want.Mod, want.Version = 1+s.rand.Int64N(1000), 1+s.rand.Int64N(1<<40), 1+s.rand.Int64N(200)
		framed = keyValue(s.t, want.Key, value, want.Create, want.Mod, want.Version)
	case 1:
		framed = written(s.t, want.Key, value)
	case 2:
		want.Key = ""
		framed = value
	case 3:
		want.Key, want.Embedded, want.EmbeddedIn = "", true, "/registry/configmaps/space/"+name
		outer := configMap("outer", nil)
		outer.BinaryData = map[string][]byte{"b": value}
		framed = keyValue(s.t, want.EmbeddedIn, encode(s.t, storedvalue.Protobuf, outer), 1, 2, 3)
	}
	at := bytes.Index(framed, value)
	want.Offset = int64(len(s.data) + at)
	s.data = append(append(s.data, framed...), 0)
	s.want = append(s.want, want)
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestWhatIsPlantedIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		s := cook(t, seed, 300)
		hits := searchAll(t, s.data)
		slices.SortFunc(hits, func(a, b found) int { return int(a.Offset - b.Offset) })
		if diff := cmp.Diff(s.want, hits); diff != "" {
			t.Fatalf("seed %d, %d bytes: %s", seed, len(s.data), diff)
		}
	}
}

func TestWindowsOfEverySizeShowTheSame(t *testing.T) {
	t.Parallel()
	s := cook(t, 99, 40)
	for _, chunk := range []int{1, 2, 3, 7, 64, 511, 4096, 100_000, 1 << 20} {
		if diff := cmp.Diff(s.want, search(t, carve.New(carve.Options{}).Limit(chunk, 200_000), s.data, 0, int64(len(s.data)))); diff != "" {
			t.Errorf("windows of %d bytes: %s", chunk, diff)
		}
	}
}

// Every extent of a few objects is searched: nothing may be reported that is not
// in it, and everything of which enough is.
func TestAnExtentShowsWhatIsInIt(t *testing.T) {
	t.Parallel()
	searcher := carve.New(carve.Options{})
	for _, format := range formats {
		value := encode(t, format, secret("default", "db", 60))
		for _, frame := range [][]byte{keyValue(t, dbKey, value, 3, 4, 5), written(t, dbKey, value)} {
			data := slices.Concat([]byte("before"), frame, []byte("\x00after"))
			start := int64(bytes.Index(data, value))
			end := start + int64(len(value))
			key := int64(bytes.Index(data, []byte("/registry/secrets/default/db\x12")))
			if key < 0 {
				key = int64(bytes.Index(data, []byte(dbKey)))
			}
			for from := range int64(len(data)) {
				for _, to := range []int64{from, from + 1, start, start + 3, start + 30, end - 1, end, end + 1, int64(len(data))} {
					if to < from || to > int64(len(data)) {
						continue
					}
					hits := search(t, searcher, data, from, to)
					checkExtent(t, hits, from, to, start, end)
					whole := from < key-1 && to >= end
					if whole && (len(hits) != 1 || hits[0].Key != dbKey || hits[0].Cut || hits[0].Length != int64(len(value))) {
						t.Fatalf("%v from %d to %d of %d: %+v", format, from, to, len(data), hits)
					}
					if from > key && from <= start && to >= end && (len(hits) != 1 || hits[0].Name != "db" || hits[0].Key != "" || hits[0].Offset != start) {
						t.Fatalf("%v from %d, behind its key, to %d: %+v", format, from, to, hits)
					}
					if from < key-1 && to == start+30 && (len(hits) != 1 || !hits[0].Cut || hits[0].Name != "db") {
						t.Fatalf("%v from %d to %d, cut: %+v", format, from, to, hits)
					}
				}
			}
		}
	}
}

func checkExtent(t *testing.T, hits []found, from, to, start, end int64) {
	t.Helper()
	for _, h := range hits {
		switch {
		case h.Offset < from || h.Offset >= to:
			t.Fatalf("from %d to %d: %+v", from, to, h)
		case !h.End && h.Offset != start:
			t.Fatalf("a value at %d that is at %d: %+v", h.Offset, start, h)
		case !h.Cut && !h.End && h.Offset+h.Length != end && (h.Format != storedvalue.JSON || to != end-1):
			// JSON ends before the line end that an API server adds.
			t.Fatalf("a value that ends at %d: %+v", end, h)
		case h.Cut && end <= to:
			t.Fatalf("a value that is whole: %+v", h)
		case h.End && (from <= start && to > start+30 || h.Cut):
			t.Fatalf("from %d to %d, a value at %d: %+v", from, to, start, h)
		}
	}
}

func TestTheEndOfASecretIsAFragment(t *testing.T) {
	for _, format := range []storedvalue.Format{storedvalue.Protobuf, storedvalue.JSON, storedvalue.YAML} {
		yes := true
		s := secret("default", "db", 9000)
		s.Immutable = &yes
		value := encode(t, format, s)
		hits := searchAll(t, append(bytes.Clone(value[4096:]), 0, 0))
		if len(hits) != 1 || !hits[0].End || hits[0].Format != format || hits[0].Key != "" {
			t.Errorf("%v: %+v", format, hits)
		}
		if format == storedvalue.YAML && len(hits) == 1 && (hits[0].Name != "db" || hits[0].Namespace != "default") {
			t.Errorf("%v: %+v", format, hits)
		}
	}
}

// An object of which the end was overwritten ends there, and what has overwritten
// it is found. Nearly any bytes are items of CBOR, so there it is not always seen.
func TestWhatHasOverwrittenAnObjectIsFound(t *testing.T) {
	large := secret("default", "db", 0)
	for i := range 200 {
		large.Data[fmt.Sprintf("key-%03d", i)] = []byte("0123456789012345678901234567890123456789")
	}
	for _, format := range formats[:3] {
		for _, over := range formats {
			old := keyValue(t, dbKey, encode(t, format, large), 1, 2, 3)
			other := encode(t, over, secret("default", "new", 100))
			data := slices.Concat(old[:4096], []byte{0, 1}, keyValue(t, "/registry/secrets/default/new", other, 4, 5, 1), []byte{0, 0})
			var names []string
			for _, h := range searchAll(t, data) {
				names = append(names, fmt.Sprint(h.Name, h.Cut))
			}
			if got := strings.Join(names, " "); got != "dbtrue newfalse" {
				t.Errorf("%v over %v: %s", over, format, got)
			}
		}
	}
}

func TestFurtherResourcesAreFound(t *testing.T) {
	s := carve.New(carve.Options{Prefix: "/kubernetes.io", Resources: []carve.Resource{
		{Path: "configmaps", Kind: "ConfigMap"}, {Path: "pods", Kind: "Pod"},
		{Path: "example.com/widgets", Group: "example.com", Kind: "Widget"}, {Path: "example.com/unknown"},
	}})
	for _, format := range formats {
		value := encode(t, format, configMap("m", map[string]string{"a": "b"}))
		if hits := search(t, s, keyValue(t, "/kubernetes.io/configmaps/default/m", value, 1, 2, 3), 0, int64(len(value)+40)); len(hits) != 1 || hits[0].Resource != "configmaps" || hits[0].Name != "m" || hits[0].Key == "" {
			t.Errorf("%v: %+v", format, hits)
		}
		if hits := search(t, s, value, 0, int64(len(value))); len(hits) != 1 || hits[0].Resource != "configmaps" || hits[0].Name != "m" {
			t.Errorf("%v without its key: %+v", format, hits)
		}
		pod := encode(t, format, pod("p"))
		if hits := search(t, s, pod, 0, int64(len(pod))); len(hits) != 1 || hits[0].Resource != "pods" || hits[0].Name != "p" {
			t.Errorf("a pod in %v without its key: %+v", format, hits)
		}
	}
	custom := widget(t, map[string]any{"a": "b"})
	for key, want := range map[string]string{
		"": "example.com/widgets", "/kubernetes.io/example.com/widgets/default/outer": "example.com/widgets",
	} {
		data := custom
		if key != "" {
			data = written(t, key, custom)
		}
		if hits := search(t, s, data, 0, int64(len(data))); len(hits) != 1 || hits[0].Resource != want || hits[0].Name != "outer" || hits[0].Key != key {
			t.Errorf("%q: %+v", key, hits)
		}
	}
	unknown := written(t, "/kubernetes.io/example.com/unknown/default/x", []byte(`{"kind":"Unknown"}`))
	if hits := search(t, s, unknown, 0, int64(len(unknown))); len(hits) != 1 || hits[0].Resource != "example.com/unknown" || hits[0].Name != "x" {
		t.Errorf("a resource of unknown kind: %+v", hits)
	}
}
