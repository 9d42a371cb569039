package encryptionconfig_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// canary is a key of 32 bytes that must appear nowhere.
const canary = "CANARYCANARYCANARYCANARYCANARY32"

func key() string { return base64.StdEncoding.EncodeToString([]byte(canary)) }

const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"

func entry(resources string, providers ...string) string {
	s := "- resources: [" + resources + "]\n  providers:\n"
	for _, p := range providers {
		s += "  - " + p + "\n"
	}
	return s
}

func aes(kind string, names ...string) string {
	var keys []string
	for _, n := range names {
		keys = append(keys, `{name: "`+n+`", secret: "`+key()+`"}`)
	}
	return kind + ": {keys: [" + strings.Join(keys, ", ") + "]}"
}

func kms(version, name string) string {
	return "kms: {apiVersion: " + version + `, name: "` + name + `", endpoint: "unix:///run/kms.sock", timeout: 3s}`
}

const identity = "identity: {}"

func parse(t *testing.T, text string) *encryptionconfig.Config {
	t.Helper()
	c, err := encryptionconfig.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func resource(s string) storedvalue.Resource {
	name, group, _ := strings.Cut(s, ".")
	return storedvalue.Resource{Group: group, Name: name, Known: true}
}

func TestAResourceGetsTheRuleThatTheAPIServerUses(t *testing.T) {
	c := parse(t, head+
		entry("events", identity)+
		entry("secrets, pandas.awesome.bears.example", kms("v2", "first"), aes("aescbc", "k1", "k2"), identity)+
		entry("configmaps", aes("aesgcm", "g"))+
		entry("secrets", aes("secretbox", "late"))+
		entry(`"*.apps"`, aes("aescbc", "apps"))+
		entry(`"*."`, kms("v1", "core:kms"))+
		entry(`"*.*"`, aes("secretbox", "rest")))
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

func TestAResourceThatNobodyNamesIsStoredAsPlaintext(t *testing.T) {
	rule, ok := parse(t, head+entry("secrets", kms("v2", "p"))).For(resource("configmaps"))
	if !ok || rule.Encrypts() || rule.Entry != "" {
		t.Errorf("%+v, %v", rule, ok)
	}
}

func TestWhatAnAPIServerKeepsForItselfIsNeverEncrypted(t *testing.T) {
	c := parse(t, head+entry(`"*."`, kms("v2", "p"))+entry(`"*.*"`, kms("v2", "q")))
	for _, path := range []string{"ranges", "masterleases", "peerserverleases"} {
		if rule, ok := c.For(storedvalue.ResourceOf(path)); !ok || rule.Encrypts() {
			t.Errorf("%s: %+v, %v", path, rule, ok)
		}
	}
}

func TestAnUnknownGroupIsNotGuessed(t *testing.T) {
	gizmos := storedvalue.Resource{Name: "gizmos"}
	tests := []struct {
		name, config string
		known        bool
		entry        string
	}{
		{"only others are named", entry("secrets", identity), true, ""},
		{"all are named", entry("secrets", identity) + entry(`"*.*"`, identity), true, "*.*"},
		{"the name is there in some group", entry("gizmos.example.com", identity), false, ""},
		{"some group is named as a whole", entry(`"*.example.com"`, identity), false, ""},
	}
	for _, tt := range tests {
		rule, ok := parse(t, head+tt.config).For(gizmos)
		if ok != tt.known || rule.Entry != tt.entry {
			t.Errorf("%s: %q, %v", tt.name, rule.Entry, ok)
		}
	}
}

// shown is a value of a format that shows a name.
func shown(format storedvalue.Format, name string) storedvalue.Value {
	switch format {
	case storedvalue.AESCBC, storedvalue.AESGCM, storedvalue.Secretbox:
		return storedvalue.Parse([]byte("k8s:enc:" + format.String() + ":v1:" + name + ":" + strings.Repeat("x", 48)))
	default:
		return storedvalue.Value{Format: format, Name: []byte(name)}
	}
}

func TestAValueIsJudgedByTheOrderOfProvidersAndKeys(t *testing.T) {
	tests := []struct {
		name      string
		providers []string
		format    storedvalue.Format
		key       string
		want      encryptionconfig.Standing
	}{
		{"the first provider's first key", []string{aes("aescbc", "a", "b"), identity}, storedvalue.AESCBC, "a", encryptionconfig.AsConfigured},
		{"the first provider's second key", []string{aes("aescbc", "a", "b"), identity}, storedvalue.AESCBC, "b", encryptionconfig.StaleKey},
		{"a second provider of the same kind", []string{aes("aescbc", "a"), aes("aescbc", "b")}, storedvalue.AESCBC, "b", encryptionconfig.StaleProvider},
		{"a second provider", []string{kms("v2", "p"), aes("aescbc", "a")}, storedvalue.AESCBC, "a", encryptionconfig.StaleProvider},
		{"a key that is not listed", []string{aes("aescbc", "a")}, storedvalue.AESCBC, "c", encryptionconfig.UnreadableName},
		{"the right name of another provider", []string{aes("aescbc", "a")}, storedvalue.AESGCM, "a", encryptionconfig.UnreadableName},
		{"kms v1 under a kms v2 provider", []string{kms("v2", "p")}, storedvalue.KMSv1, "p", encryptionconfig.UnreadableName},
		{"a kms name with a colon", []string{kms("v1", "a:b")}, storedvalue.KMSv1, "a:b", encryptionconfig.AsConfigured},
		{"a kms v1 name that is the beginning of a configured one", []string{kms("v1", "a:b")}, storedvalue.KMSv1, "a", encryptionconfig.UnreadableName},
		{"a name with a colon", []string{aes("aesgcm", "a:b")}, storedvalue.AESGCM, "a:b", encryptionconfig.AsConfigured},
		{"the second of two names that begin alike", []string{aes("secretbox", "a:2", "a:1")}, storedvalue.Secretbox, "a:1", encryptionconfig.StaleKey},
		{"a third name that begins like them", []string{aes("secretbox", "a:2", "a:1")}, storedvalue.Secretbox, "a:3", encryptionconfig.UnreadableName},
		{"the beginning of a configured name", []string{aes("aesgcm", "a:b")}, storedvalue.AESGCM, "a", encryptionconfig.UnreadableName},
		{"a name that only begins like a configured one", []string{aes("aesgcm", "a")}, storedvalue.AESGCM, "ab", encryptionconfig.UnreadableName},
		{"protobuf under an encrypting provider", []string{kms("v2", "p"), identity}, storedvalue.Protobuf, "", encryptionconfig.Plaintext},
		{"plaintext of any kind under an encrypting provider", []string{kms("v2", "p"), identity}, storedvalue.Unrecognised, "", encryptionconfig.Plaintext},
		{"plaintext without identity", []string{kms("v2", "p")}, storedvalue.Protobuf, "", encryptionconfig.UnreadablePlaintext},
		{"plaintext with identity between others", []string{kms("v2", "p"), identity, aes("aescbc", "a")}, storedvalue.JSON, "", encryptionconfig.Plaintext},
		{"JSON under identity", []string{identity, kms("v2", "p")}, storedvalue.JSON, "", encryptionconfig.AsConfigured},
		{"encrypted while identity writes", []string{identity, kms("v2", "p")}, storedvalue.KMSv2, "p", encryptionconfig.EncryptedUnconfigured},
		{"encrypted by nobody while identity writes", []string{identity}, storedvalue.KMSv2, "p", encryptionconfig.UnreadableName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rule, _ := parse(t, head+entry("secrets", tt.providers...)).For(resource("secrets"))
			if got := rule.Judge(nil, shown(tt.format, tt.key)); got.Standing != tt.want || got.Opened {
				t.Errorf("%q, opened %v; want %q by name", got.Standing, got.Opened, tt.want)
			}
		})
	}
	for format, want := range map[storedvalue.Format]encryptionconfig.Standing{
		storedvalue.KMSv2: encryptionconfig.UnreadableName, storedvalue.UnknownEncryption: encryptionconfig.UnreadableName, storedvalue.Protobuf: encryptionconfig.AsConfigured,
	} {
		if got := (encryptionconfig.Rule{}).Judge(nil, shown(format, "p")); got.Standing != want {
			t.Errorf("%v of a resource that is not named: %q", format, got.Standing)
		}
	}
}

// After a key was replaced under its old name, only trying the keys tells which
// of the two wrote a value. Without them nothing is guessed.
func TestANameThatSeveralKeysHaveIsNotGuessed(t *testing.T) {
	for name, tt := range map[string]struct {
		providers []string
		key       string
		want      encryptionconfig.Standing
	}{
		"in one provider":            {[]string{aes("aescbc", "k", "k")}, "k", encryptionconfig.Unjudged},
		"in two providers":           {[]string{aes("aescbc", "k"), aes("aescbc", "k")}, "k", encryptionconfig.Unjudged},
		"three times":                {[]string{aes("aescbc", "k", "k", "k")}, "k", encryptionconfig.Unjudged},
		"whole blocks tell":          {[]string{aes("aescbc", "k:1", "k")}, "k:1", encryptionconfig.AsConfigured},
		"another that begins alike":  {[]string{aes("aescbc", "k:2", "k:1")}, "k:1", encryptionconfig.StaleKey},
		"both while identity writes": {[]string{identity, aes("aescbc", "k", "k")}, "k", encryptionconfig.EncryptedUnconfigured},
	} {
		rule, _ := parse(t, head+entry("secrets", tt.providers...)).For(resource("secrets"))
		if got := rule.Judge(nil, shown(storedvalue.AESCBC, tt.key)); got.Standing != tt.want {
			t.Errorf("%s: %q, want %q", name, got.Standing, tt.want)
		}
	}
}

func TestWhatAnAPIServerRefusesIsRefusedWithItsPath(t *testing.T) {
	good := entry("secrets", kms("v2", "p"))
	tests := []struct {
		name, text, want string
	}{
		{"nothing", "", "the file is empty"},
		{"no YAML", "\tx", "not valid YAML"},
		{"a string where a list belongs", head + "- resources: secrets\n  providers: [{identity: {}}]\n", "resources.resources has the wrong type"},
		{"a key as a field", head + entry("secrets", "aescbc: {keys: [{name: a, "+key()+": x}]}"), "unknown field in resources[0].providers[0].aescbc.keys[0]"},
		{"another kind", strings.Replace(head+good, "EncryptionConfiguration", "EncryptionConfig", 1), "kind EncryptionConfiguration"},
		{"another version", strings.Replace(head+good, "/v1", "/v2", 1), "want apiVersion apiserver.config.k8s.io/v1"},
		{"no resources", "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n", "resources: at least one"},
		{"an unknown field", head + good + "extra: 1\n", `unknown field extra`},
		{"a field in another case", strings.Replace(head+good, "endpoint", "Endpoint", 1), `unknown field resources[0].providers[0].kms.Endpoint`},
		{"a field given twice", head + good + "kind: EncryptionConfiguration\n", "line"},
		{"an empty list of resources", head + entry("", identity), "resources[0].resources: at least one"},
		{"no providers", head + "- resources: [secrets]\n", "resources[0].providers: at least one"},
		{"a provider without a kind", head + entry("secrets", "{}"), "resources[0].providers[0]: want exactly one"},
		{"two kinds in one provider", head + entry("secrets", "{identity: {}, "+kms("v2", "p")+"}"), "want exactly one"},
		{"a capital letter", head + entry("Secrets", identity), "lower case"},
		{"a bare star", head + entry(`"*"`, identity), "write *. for"},
		{"allocations", head + entry("serviceipallocations", identity), "without a REST API"},
		{"events of the wrong group", head + entry("events.events.k8s.io", identity), "write events"},
		{"extensions", head + entry("ingresses.extensions", identity), "no longer exists"},
		{"one resource across groups", head + entry(`"secrets.*"`, identity), "across all groups"},
		{"a resource given twice", head + entry("secrets, secrets", identity), "given twice"},
		{"a resource and its group", head + entry(`secrets, "*."`, identity), "overlap"},
		{"everything and something", head + entry(`pods, "*.*"`, identity), "overlap"},
		{"an entry hidden by a group", head + entry(`"*."`, identity) + entry("secrets", kms("v2", "p")), "resources[1].resources[0]: has no effect"},
		{"an entry hidden by everything", head + entry(`"*.*"`, identity) + entry("jobs.batch", kms("v2", "p")), "earlier entry names *.*"},
		{"a key without a name", head + entry("secrets", aes("aescbc", "")), "providers[0].aescbc.keys[0].name: required"},
		{"no keys", head + entry("secrets", "aescbc: {keys: []}"), "aescbc.keys: at least one"},
		{"a key without a secret", head + entry("secrets", "aescbc: {keys: [{name: a}]}"), "secret: required"},
		{"a secret that is not base64", head + entry("secrets", "aescbc: {keys: [{name: a, secret: '"+canary+"!'}]}"), "not base64"},
		{"a secret of the wrong length", head + entry("secrets", "secretbox: {keys: [{name: a, secret: Q0FOQVJZQ0FOQVJZ}]}"), "has 12 bytes, want one of [32]"},
		{"a secret that is a number", head + entry("secrets", "aescbc: {keys: [{name: a, secret: 12345678}]}"), "not a string"},
		{"kms without a name", head + entry("secrets", kms("v2", "")), "kms.name: required"},
		{"a kms v2 name with a colon", head + entry("secrets", kms("v2", "a:b")), "colon"},
		{"a kms name used twice", head + entry("secrets", kms("v2", "p")) + entry("configmaps", kms("v2", "p")), "used twice"},
		{"kms v3", head + entry("secrets", kms("v3", "p")), "want v1 or v2"},
		{"kms over tcp", head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'tcp://x:1'}"), "kms.endpoint"},
		{"a cache size for v2", head + entry("secrets", "kms: {apiVersion: v2, name: p, cachesize: 1, endpoint: 'unix:///s'}"), "only for apiVersion v1"},
		{"a cache size of 0", head + entry("secrets", "kms: {name: p, cachesize: 0, endpoint: 'unix:///s'}"), "must not be 0"},
		{"a timeout of 0", head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 0s}"), "above zero"},
		{"a timeout without unit", head + entry("secrets", "kms: {apiVersion: v2, name: p, endpoint: 'unix:///s', timeout: 3}"), "want a duration"},
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
	text := head + entry("secrets", aes("aescbc", "k"), aes("secretbox", "s"), identity)
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
	for _, form := range []string{canary[:8], key()[:10]} {
		if strings.Contains(shown, form) {
			t.Fatal("key material is shown")
		}
	}
}

// base64 writes a key in a YAML block, with a line break at its end or more.
func TestAKeyMayBeWrittenOnSeveralLines(t *testing.T) {
	parse(t, head+"- resources: [secrets]\n  providers:\n  - aescbc:\n      keys:\n      - name: a\n        secret: |\n          "+key()[:20]+"\n          "+key()[20:]+"\n")
	parse(t, head+entry("secrets", `aescbc: {keys: [{name: a, secret: "`+key()+`\r\n"}]}`))
	_, err := encryptionconfig.Parse([]byte(head + entry("secrets", `aescbc: {keys: [{name: a, secret: "`+key()[:20]+`\\n`+key()[20:]+`"}]}`)))
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
	c := parse(t, head+entry("secrets", "kms: {name: p, endpoint: 'unix:///s'}"))
	if rule, _ := c.For(resource("secrets")); rule.Providers[0].Format != storedvalue.KMSv1 {
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
