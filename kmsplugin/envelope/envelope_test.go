package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/test/testkit"
)

// vector is one entry of testdata/vectors.json, which was computed with other
// implementations of HKDF, SHA-256 and AES-GCM than Go's.
type vector struct {
	Mount, Key   string
	Version      int
	Created      int64
	Cluster      string
	KeyID        string `json:"key_id"`
	DeriveLabel  string `json:"derive_label"`
	HMAC         string
	LocalKEK     string `json:"local_kek"`
	Fingerprint  string
	WrapData     string `json:"wrap_data"`
	DirectData   string `json:"direct_data"`
	Wrapped      string
	Seed         string
	Ciphertext   string
	SeedDataUsed string `json:"seed_data"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text := testkit.Must(os.ReadFile("testdata/vectors.json"))(t)
	var list []vector
	testkit.Check(t, json.Unmarshal(text, &list))
	if len(list) == 0 {
		t.Fatal("no vectors")
	}
	return list
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b := testkit.Must(hex.DecodeString(s))(t)
	return b
}

func TestFormatsMatchTheirVectors(t *testing.T) {
	for _, v := range vectors(t) {
		id := KeyID(v.Mount, v.Key, v.Version, time.Unix(v.Created, 0))
		if id != v.KeyID {
			t.Errorf("key_id: got %s, want %s", id, v.KeyID)
		}
		b := Binding{Cluster: v.Cluster, KeyID: id}
		for name, pair := range map[string][2]string{
			"derive label": {hex.EncodeToString(b.DeriveLabel()), v.DeriveLabel},
			"wrap data":    {hex.EncodeToString(b.WrapData()), v.WrapData},
			"direct data":  {hex.EncodeToString(b.DirectData()), v.DirectData},
			"seed data":    {hex.EncodeToString(b.seedData([]byte(v.Wrapped))), v.SeedDataUsed},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: got %s, want %s", name, pair[0], pair[1])
			}
		}
		key := testkit.Must(DeriveKEK(unhex(t, v.HMAC), b))(t)
		if got := hex.EncodeToString(key); got != v.LocalKEK {
			t.Errorf("local KEK: got %s, want %s", got, v.LocalKEK)
		}
		kek := testkit.Must(NewLocalKEK(key))(t)
		if got := kek.Fingerprint(); hex.EncodeToString(got[:]) != v.Fingerprint {
			t.Errorf("fingerprint: got %x, want %s", got, v.Fingerprint)
		}
		s := testkit.Must(Parse(id, unhex(t, v.Ciphertext), map[string][]byte{transit.AnnotationCluster: []byte(v.Cluster), transit.AnnotationKEK: []byte(v.Wrapped)}))(t)
		seed := testkit.Must(kek.Unwrap(s))(t)
		if hex.EncodeToString(seed) != v.Seed {
			t.Error("the vector's ciphertext opens to another seed")
		}
	}
}

// sample returns a local KEK and one seed that it wrapped.
func sample(t *testing.T) (kek *LocalKEK, keyID string, ciphertext []byte, annotations map[string][]byte) {
	t.Helper()
	kek = testkit.Must(NewLocalKEK(bytes.Repeat([]byte{7}, KEKSize)))(t)
	b := Binding{Cluster: "prod", KeyID: KeyID("transit", "k8s", 3, time.Unix(1, 0))}
	stored := kek.Wrap(b, []byte("vault:v3:abc"), bytes.Repeat([]byte{9}, 32))
	return kek, b.KeyID, stored.Ciphertext, stored.Annotations()
}

func TestAWrappedSeedIsSmallAndNeverTheSameTwice(t *testing.T) {
	_, _, one, _ := sample(t)
	_, _, two, _ := sample(t)
	if len(one) != 69 {
		t.Errorf("got %d bytes, want the 69 that docs/formats.md names", len(one))
	}
	if bytes.Equal(one, two) {
		t.Error("two wrappings of one seed are equal: the nonce is not random")
	}
}

func TestWhatIsAssembledIsParsedAlike(t *testing.T) {
	kek := testkit.Must(NewLocalKEK(bytes.Repeat([]byte{7}, KEKSize)))(t)
	b := Binding{Cluster: "prod", KeyID: KeyID("transit", "k8s", 3, time.Unix(1, 0))}
	for name, stored := range map[string]Stored{
		"local":  kek.Wrap(b, []byte("vault:v3:abc"), []byte("seed")),
		"direct": Direct(b, []byte("vault:v3:abc")),
		"bare":   {Form: FormUnbound, Binding: Binding{KeyID: "1"}, Version: 3, Ciphertext: []byte("vault:v3:abc"), Wrapped: []byte("vault:v3:abc")},
	} {
		parsed, err := Parse(stored.Binding.KeyID, stored.Ciphertext, stored.Annotations())
		if err != nil || !reflect.DeepEqual(parsed, stored) || stored.Form.String() != name {
			t.Errorf("%s: got %+v, %v, want %+v", name, parsed, err, stored)
		}
	}
}

func TestAnySingleChangeIsRefused(t *testing.T) {
	kek, keyID, ciphertext, annotations := sample(t)
	open := func(keyID string, ciphertext []byte, annotations map[string][]byte) error {
		s, err := Parse(keyID, ciphertext, annotations)
		if err != nil {
			return err
		}
		_, err = kek.Unwrap(s)
		return err
	}
	if err := open(keyID, ciphertext, annotations); err != nil {
		t.Fatalf("untouched: %v", err)
	}
	// Bytes 1 to 8 name the key: the caller looks it up by them.
	for i := range ciphertext {
		if i >= 1 && i <= FingerprintSize {
			continue
		}
		for bit := range 8 {
			changed := bytes.Clone(ciphertext)
			changed[i] ^= 1 << bit
			if open(keyID, changed, annotations) == nil {
				t.Fatalf("bit %d of byte %d flipped, and it still opens", bit, i)
			}
		}
	}
	for n := range len(ciphertext) {
		if open(keyID, ciphertext[:n], annotations) == nil {
			t.Fatalf("cut to %d bytes, and it still opens", n)
		}
	}
	if err := open(keyID+"0", ciphertext, annotations); !errors.Is(err, ErrAuthentication) {
		t.Errorf("other key_id: got %v", err)
	}
	if err := open(keyID, ciphertext, map[string][]byte{transit.AnnotationCluster: []byte("test"), transit.AnnotationKEK: annotations[transit.AnnotationKEK]}); !errors.Is(err, ErrAuthentication) {
		t.Errorf("other cluster: got %v", err)
	}
	if err := open(keyID, ciphertext, map[string][]byte{transit.AnnotationCluster: []byte("prod"), transit.AnnotationKEK: []byte("vault:v3:abd")}); !errors.Is(err, ErrAuthentication) {
		t.Errorf("other wrapped key: got %v", err)
	}
}

func TestFieldsNeverRunIntoEachOther(t *testing.T) {
	seen := map[string][]string{}
	for _, fields := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"a", "b", "c"}} {
		e := string(canonical("p", fields...))
		if other, ok := seen[e]; ok {
			t.Errorf("%q and %q share an encoding", fields, other)
		}
		seen[e] = fields
	}
	b := Binding{Cluster: "c", KeyID: "k"}
	purposes := map[string]bool{}
	for _, e := range [][]byte{b.DeriveLabel(), b.WrapData(), b.DirectData(), b.CanaryData(), b.seedData(nil)} {
		purposes[string(e)] = true
	}
	if len(purposes) != 5 {
		t.Error("two purposes share an encoding")
	}
}

func TestKeyIDsDiffer(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	base := KeyID("transit", "k8s", 1, at)
	if len(base) > 100 {
		t.Errorf("%d bytes are stored with every object", len(base))
	}
	for name, other := range map[string]string{
		"another mount":           KeyID("transit2", "k8s", 1, at),
		"another namespace":       KeyID("team-a/transit", "k8s", 1, at),
		"another key":             KeyID("transit", "k9s", 1, at),
		"another version":         KeyID("transit", "k8s", 2, at),
		"deleted and made again":  KeyID("transit", "k8s", 1, at.Add(time.Second)),
		"mount and key run on":    KeyID("transitk8s", "", 1, at),
		"key and version run on":  KeyID("transit", "k8s1", 1, at),
		"slash moved to the name": KeyID("transit/k8s", "k8s", 1, at),
	} {
		if other == base {
			t.Errorf("%s: same key_id", name)
		}
	}
	if KeyID("transit", "k8s", 1, at.Add(time.Millisecond).UTC()) != base {
		t.Error("the id depends on more than whole seconds, or on the time zone")
	}
}

func TestWhatIsMalformedIsNamed(t *testing.T) {
	cluster := map[string][]byte{transit.AnnotationCluster: []byte("prod")}
	local := append([]byte{localPrefix}, bytes.Repeat([]byte{1}, 68)...)
	for name, tc := range map[string]struct {
		keyID       string
		ciphertext  []byte
		annotations map[string][]byte
		want        string
	}{
		"empty ciphertext":          {"k", nil, nil, "empty ciphertext"},
		"oversized ciphertext":      {"k", make([]byte, MaxCiphertext+1), nil, "1025 bytes, the limit is 1024"},
		"empty key_id":              {"", []byte("vault:v1:x"), nil, "empty key_id"},
		"oversized key_id":          {strings.Repeat("k", MaxKeyID+1), []byte("vault:v1:x"), nil, "the limit is 1024"},
		"oversized annotations":     {"k", []byte("vault:v1:x"), map[string][]byte{"a": make([]byte, MaxAnnotations)}, "the limit is 32768"},
		"unknown form":              {"k", []byte{2, 3}, nil, "neither"},
		"local without annotations": {"k", local, nil, "needs the annotations"},
		"local without its KEK":     {"k", local, cluster, "needs the annotations"},
		"local too short":           {"k", local[:20], map[string][]byte{transit.AnnotationCluster: {}, transit.AnnotationKEK: []byte("vault:v1:x")}, "too short"},
		"local with a strange KEK":  {"k", local, map[string][]byte{transit.AnnotationCluster: {}, transit.AnnotationKEK: []byte("x")}, "no Transit ciphertext"},
		"direct with a KEK":         {"k", []byte("vault:v1:x"), map[string][]byte{transit.AnnotationCluster: {}, transit.AnnotationKEK: []byte("vault:v1:x")}, "does not belong"},
		"version 0":                 {"k", []byte("vault:v0:x"), nil, "neither"},
		"version with a sign":       {"k", []byte("vault:v+1:x"), nil, "neither"},
		"version without end":       {"k", []byte("vault:v1"), nil, "neither"},
		"version beyond 31 bits":    {"k", []byte("vault:v4294967297:x"), nil, "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc.keyID, tc.ciphertext, tc.annotations)
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want a malformed request with %q", err, tc.want)
			}
		})
	}
	if err := CheckSeed(nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty seed: got %v", err)
	}
	if err := CheckSeed(make([]byte, MaxSeed)); err != nil {
		t.Errorf("the largest seed: %v", err)
	}
	if err := CheckSeed(make([]byte, MaxSeed+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("oversized seed: got %v", err)
	}
}

func TestTheLargestSeedStaysBelowTheAPIServersLimit(t *testing.T) {
	kek := testkit.Must(NewLocalKEK(make([]byte, KEKSize)))(t)
	if n := len(kek.Wrap(Binding{}, nil, make([]byte, MaxSeed)).Ciphertext); n > MaxCiphertext {
		t.Errorf("%d bytes", n)
	}
}

func TestClusterIdentities(t *testing.T) {
	for _, good := range []string{"a", "prod-eu-1", "prod.example.org", strings.Repeat("a", 63)} {
		if err := ValidateCluster(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-a", "a-", "Prod", "a b", "a/b", "é", strings.Repeat("a", 64), "a\n"} {
		if ValidateCluster(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("v1.0", []byte("vault:v1:abc"), []byte("prod"), []byte("vault:v1:abc"), true, true)
	f.Add("v1.0", append([]byte{localPrefix}, make([]byte, 68)...), []byte("prod"), []byte("vault:v1:abc"), true, true)
	kek, err := NewLocalKEK(make([]byte, KEKSize))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, keyID string, ciphertext, cluster, wrapped []byte, hasCluster, hasKEK bool) {
		annotations := map[string][]byte{}
		if hasCluster {
			annotations[transit.AnnotationCluster] = cluster
		}
		if hasKEK {
			annotations[transit.AnnotationKEK] = wrapped
		}
		s, err := Parse(keyID, ciphertext, annotations)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("unclassified: %v", err)
			}
			return
		}
		if s.Version < 1 || s.Form == 0 {
			t.Fatalf("accepted without a version or a form: %+v", s)
		}
		if s.Form == FormLocal {
			if _, err := kek.Unwrap(s); err == nil {
				t.Fatal("a forgery opens")
			}
		}
	})
}
