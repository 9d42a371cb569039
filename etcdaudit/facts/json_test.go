package facts_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/controlplane"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// filler sets every field that there is to a value of its own, so that a field that is lost
// or mixed up with another one is seen.
type filler struct {
	t  *testing.T
	ca *controlplane.Authority
	n  int
}

func (f *filler) fill(path string, v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(f.n), int64(f.n)).In(time.FixedZone("", 3600))))
		return
	case *x509.Certificate:
		v.Set(reflect.ValueOf(f.ca.Client(path)))
		return
	case *encryptionconfig.Config:
		config := testkit.Must(encryptionconfig.Parse([]byte(stored.Head + stored.Entry("secrets", stored.KMS("v2", "p"), stored.Identity))))(f.t)
		v.Set(reflect.ValueOf(config))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				f.t.Fatalf("%s.%s is not exported: it needs JSON of its own, and a case here", path, field.Name)
			}
			f.fill(path+"."+field.Name, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(path, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(path, key)
			f.fill(path, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d", path, f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint8:
		v.SetUint(uint64(f.n % 256))
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	default:
		f.t.Fatalf("%s: this test does not know how to fill a %s", path, v.Type())
	}
}

func sameFacts() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b *x509.Certificate) bool { return a == b || a != nil && b != nil && a.Equal(b) }),
		cmp.Comparer(func(a, b *encryptionconfig.Config) bool { return reflect.DeepEqual(a, b) }),
		cmp.Comparer(func(a, b time.Time) bool { return a.String() == b.String() }), // the zone too: rules print times
	}
}

// A field that is added later must not be lost on the way through an archive: this test finds
// it by itself.
func TestEveryFactOfAHostSurvivesJSON(t *testing.T) {
	for name, before := range map[string]*facts.Host{"full": {}, "empty": {}} {
		if name == "full" {
			f := filler{t: t, ca: controlplane.NewAuthority(t, "ca")}
			f.fill("Host", reflect.ValueOf(before).Elem())
			if f.n < 150 {
				t.Fatalf("only %d values were filled", f.n)
			}
		}
		text, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		var after facts.Host
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&after); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, &after, sameFacts()); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
}

func TestCertificatesThatAreNoneAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		`{"Certificates": [{"File": "/f", "DER": ["AAAA"]}]}`:          "certificate 1",
		`{"Certificates": [{"File": "/f", "DER": []}]}`:                "has 0",
		`{"Certificates": [{"File": "/f", "DER": [], "Key": "x"}]}`:    "unknown field",
		`{"Etcds": [{"Files": {"/f": {"Certificates": ["AAAA"]}}}]}`:   "certificate 1",
		`{"Etcds": [{"Files": {"/f": {"Certificates": "nonsense"}}}]}`: "certificates",
	} {
		var h facts.Host
		if err := json.Unmarshal([]byte(text), &h); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
