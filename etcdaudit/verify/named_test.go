package verify_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	upstream "k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/testkit"
)

// configFile is an EncryptionConfiguration for Secrets with one provider and keys,
// each given as its name and the number that it is made of: "k:1".
func configFile(t testing.TB, kind string, keys ...string) string {
	t.Helper()
	text := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - " + kind + ":\n      keys:\n"
	for _, k := range keys {
		at := strings.LastIndexByte(k, ':')
		text += fmt.Sprintf("      - {name: %q, secret: %s}\n", k[:at], base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{k[at+1]}, 32)))
	}
	file := filepath.Join(t.TempDir(), "encryption.yaml")
	testkit.Check(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// server is what an API server with such a file reads and writes Secrets with.
func server(t testing.TB, kind string, keys ...string) value.Transformer {
	t.Helper()
	c := testkit.Must(upstream.LoadEncryptionConfig(t.Context(), configFile(t, kind, keys...), false, ""))(t)
	return upstream.StaticTransformers(c.Transformers).TransformerForResource(schema.GroupResource{Resource: "secrets"})
}

func TestKeysAreTriedUnderTheirNameAndThenUnderOthers(t *testing.T) {
	etcdKey := keyOf("default", "db")
	for _, kind := range []string{"aescbc", "aesgcm", "secretbox"} {
		stored := write(t, server(t, kind, "a:1"), etcdKey, secret(t, "default", "db"))
		last := bytes.Clone(stored)
		last[len(last)-1] ^= 1
		first := bytes.Clone(stored)
		first[len("k8s:enc:"+kind+":v1:a:")] ^= 1
		copied := verify.Result{Outcome: verify.Opened, Identity: verify.Differs, Holds: verify.Object{Kind: "Secret", Namespace: "default", Name: "db"}}
		if kind == "aesgcm" {
			copied.Outcome, copied.From = verify.Moved, etcdKey
		}
		copiedName := verify.Result{Outcome: verify.OtherName, Name: "b", Identity: copied.Identity, Holds: copied.Holds}
		if kind == "aesgcm" {
			copiedName.Outcome, copiedName.From = verify.Moved, etcdKey
		}
		damagedFirst := verify.Result{Outcome: verify.WrongKey}
		if kind == "aescbc" {
			first[len(first)-17] ^= 1 // so that its padding is wrong too
		}
		for what, tc := range map[string]struct {
			keys    []string
			etcdKey string
			stored  []byte
			want    verify.Result
		}{
			"its key":                          {[]string{"a:1"}, etcdKey, stored, verify.Result{Outcome: verify.Opened, Identity: verify.Same}},
			"its key as the second":            {[]string{"b:2", "a:1"}, etcdKey, stored, verify.Result{Outcome: verify.Opened, Identity: verify.Same}},
			"a namesake before it":             {[]string{"a:2", "a:1"}, etcdKey, stored, verify.Result{Outcome: verify.Opened, Identity: verify.Same}},
			"another key of its name":          {[]string{"a:2"}, etcdKey, stored, verify.Result{Outcome: verify.WrongKey}},
			"its key under another name":       {[]string{"a:2", "b:1"}, etcdKey, stored, verify.Result{Outcome: verify.OtherName, Name: "b", Identity: verify.Same}},
			"its name not at all":              {[]string{"c:3", "b:1"}, etcdKey, stored, verify.Result{Outcome: verify.OtherName, Name: "b", Identity: verify.Same}},
			"no key that fits":                 {[]string{"c:3"}, etcdKey, stored, verify.Result{Outcome: verify.WrongKey}},
			"copied to another name":           {[]string{"a:1"}, etcdKey + "2", stored, copied},
			"copied, its key of another name":  {[]string{"c:3", "b:1"}, etcdKey + "2", stored, copiedName},
			"damaged, its key of another name": {[]string{"c:3", "b:1"}, etcdKey, last, verify.Result{Outcome: verify.Damaged, Name: "b"}},
			"its last byte changed":            {[]string{"a:1", "b:2"}, etcdKey, last, verify.Result{Outcome: verify.Damaged}},
			"its first byte changed":           {[]string{"a:1"}, etcdKey, first, damagedFirst},
			"cut":                              {[]string{"a:1"}, etcdKey, stored[:len("k8s:enc:"+kind+":v1:a:")+7], verify.Result{Outcome: verify.Damaged, Why: "ciphertext too short to be complete"}},
			"a key whose name has a colon":     {[]string{"a:b:1"}, etcdKey, write(t, server(t, kind, "a:b:1"), etcdKey, secret(t, "default", "db")), verify.Result{Outcome: verify.Opened, Identity: verify.Same}},
			"a value of another provider":      {[]string{"a:1"}, etcdKey, bytes.Replace(stored, []byte(kind), map[string][]byte{"aescbc": []byte("aesgcm"), "aesgcm": []byte("secretbox"), "secretbox": []byte("aesgcm")}[kind], 1), verify.Result{Why: "no key of this provider was given"}},
			"a namesake that opens nothing":    {[]string{"a:2", "a:3"}, etcdKey, stored, verify.Result{Outcome: verify.WrongKey}},
		} {
			var ring keyring.Keyring
			testkit.Must(encryptionconfig.LoadWithKeys(configFile(t, kind, tc.keys...), ring.Opener))(t)
			o := verify.New(verify.Config{Keys: ring.Keys()})
			if got := open(t, o, tc.etcdKey, tc.stored); got != tc.want {
				t.Errorf("%s, %s: %+v, want %+v", kind, what, got, tc.want)
			}
			ring.Clear()
		}
	}
}

func TestWithoutKeysNothingIsSaid(t *testing.T) {
	stored := write(t, server(t, "aesgcm", "a:1"), keyOf("default", "db"), secret(t, "default", "db"))
	o := verify.New(verify.Config{})
	if got := open(t, o, keyOf("default", "db"), stored); got.Outcome != verify.NotEvaluated || got.Why == "" {
		t.Errorf("%+v", got)
	}
}
