package encryptionconfig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/stored"
)

func parse(t *testing.T, text string) *encryptionconfig.Config {
	t.Helper()
	c, err := encryptionconfig.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func resource(s string) apiresource.Resource {
	name, group, _ := strings.Cut(s, ".")
	return apiresource.Resource{Group: group, Name: name, Known: true}
}

func TestAResourceGetsTheRuleThatTheAPIServerUses(t *testing.T) {
	c := parse(t, stored.Head+
		stored.Entry("events", stored.Identity)+
		stored.Entry("secrets, pandas.awesome.bears.example", stored.KMS("v2", "first"), stored.Keys("aescbc", "k1", "k2"), stored.Identity)+
		stored.Entry("configmaps", stored.Keys("aesgcm", "g"))+
		stored.Entry("secrets", stored.Keys("secretbox", "late"))+
		stored.Entry(`"*.apps"`, stored.Keys("aescbc", "apps"))+
		stored.Entry(`"*."`, stored.KMS("v1", "core:kms"))+
		stored.Entry(`"*.*"`, stored.Keys("secretbox", "rest")))
	tests := []struct {
		resource, entry string
		providers       []string
	}{
		{"events", "events", []string{"identity"}},
		{"secrets", "secrets", []string{"kms v2 first", "aescbc k1", "identity", "secretbox late"}},
		{"pandas.awesome.bears.example", "pandas.awesome.bears.example", []string{"kms v2 first", "aescbc k1", "identity"}},
		{"configmaps", "configmaps", []string{"aesgcm g"}},
		{"deployments.apps", "*.apps", []string{"aescbc apps"}},
		{"pods", "*.", []string{"kms v1 core:kms"}},
		{"jobs.batch", "*.*", []string{"secretbox rest"}},
		{"secrets.example.com", "*.*", []string{"secretbox rest"}},
	}
	for _, tt := range tests {
		rule, ok := c.For(resource(tt.resource))
		var got []string
		for _, p := range rule.Providers {
			got = append(got, p.String())
		}
		if !ok || rule.Entry != tt.entry || !cmp.Equal(got, tt.providers) {
			t.Errorf("%s: %q %v, %v; want %q %v", tt.resource, rule.Entry, got, ok, tt.entry, tt.providers)
		}
	}
}

func TestAResourceThatNoEntryNamesIsStoredAsPlaintext(t *testing.T) {
	rule, ok := parse(t, stored.Head+stored.Entry("secrets", stored.KMS("v2", "p"))).For(resource("configmaps"))
	if !ok || rule.Encrypts() || rule.Entry != "" {
		t.Errorf("%+v, %v", rule, ok)
	}
}

func TestWhatAnAPIServerKeepsForItselfIsNeverEncrypted(t *testing.T) {
	c := parse(t, stored.Head+stored.Entry(`"*."`, stored.KMS("v2", "p"))+stored.Entry(`"*.*"`, stored.KMS("v2", "q")))
	for _, path := range []string{"ranges", "masterleases", "peerserverleases"} {
		if rule, ok := c.For(apiresource.Of(path)); !ok || rule.Encrypts() {
			t.Errorf("%s: %+v, %v", path, rule, ok)
		}
	}
}

func TestAnUnknownGroupIsNotGuessed(t *testing.T) {
	gizmos := apiresource.Resource{Name: "gizmos"}
	tests := []struct {
		name, config string
		known        bool
		entry        string
	}{
		{"only others are named", stored.Entry("secrets", stored.Identity), true, ""},
		{"all are named", stored.Entry("secrets", stored.Identity) + stored.Entry(`"*.*"`, stored.Identity), true, "*.*"},
		{"the name is there in some group", stored.Entry("gizmos.example.com", stored.Identity), false, ""},
		{"some group is named as a whole", stored.Entry(`"*.example.com"`, stored.Identity), false, ""},
	}
	for _, tt := range tests {
		rule, ok := parse(t, stored.Head+tt.config).For(gizmos)
		if ok != tt.known || rule.Entry != tt.entry {
			t.Errorf("%s: %q, %v", tt.name, rule.Entry, ok)
		}
	}
}

func TestWhatAnAPIServerRefusesIsRefusedWithItsPath(t *testing.T) {
	good := stored.Entry("secrets", stored.KMS("v2", "p"))
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "", "the file is empty"},
		{"no YAML", "\tx", "not valid YAML"},
		{"a string where a list belongs", stored.Head + "- resources: secrets\n  providers: [{identity: {}}]\n", "resources.resources has the wrong type"},
		{"a key as a field", stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a, "+stored.Key()+": x}]}"), "unknown field in resources[0].providers[0].aescbc.keys[0]"},
		{"another kind", strings.Replace(stored.Head+good, "EncryptionConfiguration", "EncryptionConfig", 1), "kind EncryptionConfiguration"},
		{"another version", strings.Replace(stored.Head+good, "/v1", "/v2", 1), "want apiVersion apiserver.config.k8s.io/v1"},
		{"no resources", "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n", "resources: at least one"},
		{"an unknown field", stored.Head + good + "extra: 1\n", `unknown field extra`},
		{"a field in another case", strings.Replace(stored.Head+good, "endpoint", "Endpoint", 1), `unknown field resources[0].providers[0].kms.Endpoint`},
		{"a field given twice", stored.Head + good + "kind: EncryptionConfiguration\n", "line"},
		{"an empty list of resources", stored.Head + stored.Entry("", stored.Identity), "resources[0].resources: at least one"},
		{"no providers", stored.Head + "- resources: [secrets]\n", "resources[0].providers: at least one"},
		{"a provider without a kind", stored.Head + stored.Entry("secrets", "{}"), "resources[0].providers[0]: want exactly one"},
		{"two kinds in one provider", stored.Head + stored.Entry("secrets", "{identity: {}, "+stored.KMS("v2", "p")+"}"), "want exactly one"},
		{"a capital letter", stored.Head + stored.Entry("Secrets", stored.Identity), "lower case"},
		{"a bare star", stored.Head + stored.Entry(`"*"`, stored.Identity), "write *. for"},
		{"allocations", stored.Head + stored.Entry("serviceipallocations", stored.Identity), "without a REST API"},
		{"events of the wrong group", stored.Head + stored.Entry("events.events.k8s.io", stored.Identity), "write events"},
		{"extensions", stored.Head + stored.Entry("ingresses.extensions", stored.Identity), "no longer exists"},
		{"one resource across groups", stored.Head + stored.Entry(`"secrets.*"`, stored.Identity), "across all groups"},
		{"a resource given twice", stored.Head + stored.Entry("secrets, secrets", stored.Identity), "given twice"},
		{"a resource and its group", stored.Head + stored.Entry(`secrets, "*."`, stored.Identity), "overlap"},
		{"everything and something", stored.Head + stored.Entry(`pods, "*.*"`, stored.Identity), "overlap"},
		{"an entry hidden by a group", stored.Head + stored.Entry(`"*."`, stored.Identity) + stored.Entry("secrets", stored.KMS("v2", "p")), "resources[1].resources[0]: has no effect"},
		{"an entry hidden by everything", stored.Head + stored.Entry(`"*.*"`, stored.Identity) + stored.Entry("jobs.batch", stored.KMS("v2", "p")), "earlier entry names *.*"},
		{"a key without a name", stored.Head + stored.Entry("secrets", stored.Keys("aescbc", "")), "providers[0].aescbc.keys[0].name: required"},
		{"no keys", stored.Head + stored.Entry("secrets", "aescbc: {keys: []}"), "aescbc.keys: at least one"},
		{"a key without a secret", stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a}]}"), "secret: required"},
		{"a secret that is not base64", stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a, secret: '"+stored.KeyBytes+"!'}]}"), "not base64"},
		{"a secret of the wrong length", stored.Head + stored.Entry("secrets", "secretbox: {keys: [{name: a, secret: Q0FOQVJZQ0FOQVJZ}]}"), "has 12 bytes, want one of [32]"},
		{"a secret that is a number", stored.Head + stored.Entry("secrets", "aescbc: {keys: [{name: a, secret: 12345678}]}"), "not a string"},
		{"kms without a name", stored.Head + stored.Entry("secrets", stored.KMS("v2", "")), "kms.name: required"},
		{"a kms v2 name with a colon", stored.Head + stored.Entry("secrets", stored.KMS("v2", "a:b")), "colon"},
		{"a kms name used twice", stored.Head + stored.Entry("secrets", stored.KMS("v2", "p")) + stored.Entry("configmaps", stored.KMS("v2", "p")), "used twice"},
		{"kms v3", stored.Head + stored.Entry("secrets", stored.KMS("v3", "p")), "want v1 or v2"},
		{"kms over tcp", stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'tcp://x:1'}"), "kms.endpoint"},
		{"a cache size for v2", stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, cachesize: 1, endpoint: 'unix:///s'}"), "only for apiVersion v1"},
		{"a cache size of 0", stored.Head + stored.Entry("secrets", "kms: {name: p, cachesize: 0, endpoint: 'unix:///s'}"), "must not be 0"},
		{"a timeout of 0", stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 0s}"), "above zero"},
		{"a timeout without unit", stored.Head + stored.Entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 3}"), "want a duration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := encryptionconfig.Parse([]byte(tt.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("does not say %q: %v", tt.want, err)
			}
			refuseCanary(t, err.Error())
		})
	}
}

func TestKeysAreNeitherKeptNorShown(t *testing.T) {
	text := stored.Head + stored.Entry("secrets", stored.Keys("aescbc", "k"), stored.Keys("secretbox", "s"), stored.Identity)
	refuseCanary(t, fmt.Sprintf("%#v", *parse(t, text)))
	// Damage in every place must not bring a key into an error either.
	for i := range len(text) {
		if _, err := encryptionconfig.Parse([]byte(text[:i])); err != nil {
			refuseCanary(t, err.Error())
		}
		if _, err := encryptionconfig.Parse([]byte(text[:i] + "\"" + text[i+1:])); err != nil {
			refuseCanary(t, err.Error())
		}
	}
}

func refuseCanary(t *testing.T, shown string) {
	t.Helper()
	for _, form := range []string{stored.KeyBytes[:8], stored.Key()[:10]} {
		if strings.Contains(shown, form) {
			t.Fatal("key material is shown")
		}
	}
}

// base64 writes a key in a YAML block, with a line break at its end or more.
func TestAKeyMayBeWrittenOnSeveralLines(t *testing.T) {
	parse(t, stored.Head+"- resources: [secrets]\n  providers:\n  - aescbc:\n      keys:\n      - name: a\n        secret: |\n          "+stored.Key()[:20]+"\n          "+stored.Key()[20:]+"\n")
	parse(t, stored.Head+stored.Entry("secrets", `aescbc: {keys: [{name: a, secret: "`+stored.Key()+`\r\n"}]}`))
	_, err := encryptionconfig.Parse([]byte(stored.Head + stored.Entry("secrets", `aescbc: {keys: [{name: a, secret: "`+stored.Key()[:20]+`\\n`+stored.Key()[20:]+`"}]}`)))
	if err == nil || !strings.Contains(err.Error(), "not base64") {
		t.Errorf("a backslash in a key: %v", err)
	}
}

func TestJSONIsReadLikeYAML(t *testing.T) {
	c := parse(t, `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],"providers":[{"kms":{"apiVersion":"v2","name":"p","endpoint":"unix:///s"}},{"identity":{}}]}]}`)
	if rule, _ := c.For(resource("secrets")); !rule.Encrypts() || rule.Providers[0].String() != "kms v2 p" {
		t.Errorf("%+v", rule)
	}
}

func TestAKMSProviderWithoutAVersionIsV1(t *testing.T) {
	c := parse(t, stored.Head+stored.Entry("secrets", "kms: {name: p, endpoint: 'unix:///s'}"))
	if rule, _ := c.For(resource("secrets")); rule.Providers[0].Kind != encryptionconfig.KMSv1 {
		t.Errorf("%+v", rule)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	if _, err := encryptionconfig.Load(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("%v", err)
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := encryptionconfig.Load(large); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("x: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := encryptionconfig.Load(bad); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("%v", err)
	}
}

func TestAFileThatWouldGrowIsRefused(t *testing.T) {
	text := "a: &a " + strings.Repeat("x", 900_000) + "\nb:\n" + strings.Repeat("- *a\n", 5000)
	if _, err := encryptionconfig.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "unfold") {
		t.Errorf("%.200v", err)
	}
}
