package rules_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

const (
	pass          = auditv1.Status_STATUS_PASS
	fail          = auditv1.Status_STATUS_FAIL
	warn          = auditv1.Status_STATUS_WARN
	notApplicable = auditv1.Status_STATUS_NOT_APPLICABLE
	notEvaluated  = auditv1.Status_STATUS_NOT_EVALUATED
)

// stored is what a test puts under a key.
type stored map[string]string

func kmsV2(provider, keyID string, version int) string {
	var b []byte
	for _, f := range []struct {
		number  protowire.Number
		content string
	}{{1, strings.Repeat("c", 60)}, {2, keyID}, {3, fmt.Sprintf("vault:v%d:abc", version)}} {
		b = protowire.AppendString(protowire.AppendTag(b, f.number, protowire.BytesType), f.content)
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), 1)
	return "k8s:enc:kms:v2:" + provider + ":" + string(b)
}

func aesCBC(key string) string { return "k8s:enc:aescbc:v1:" + key + ":" + strings.Repeat("x", 32) }

const (
	plain   = "k8s\x00hunter2"
	broken  = "k8s:enc:kms:v2:p:broken"
	unknown = "k8s:enc:rot13:v1:xyz"
)

func input(values stored) rules.Input { return compared(values, nil) }

// compared is what the values are with a configuration, nil for none.
func compared(values stored, config *encryptionconfig.Config) rules.Input {
	inv := inventory.New("/registry")
	inv.Config = config
	for key, value := range values {
		inv.Add([]byte("/registry/"+key), []byte(value), 1)
	}
	return rules.Input{Inventory: inv}
}

func config(t *testing.T, resources string) *encryptionconfig.Config {
	t.Helper()
	c, err := encryptionconfig.Parse([]byte("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n" + resources))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const kmsProvider = "{kms: {apiVersion: v2, name: p, endpoint: 'unix:///s'}}"

func aesProvider(names ...string) string {
	var keys []string
	for _, n := range names {
		keys = append(keys, "{name: "+n+", secret: "+base64.StdEncoding.EncodeToString(make([]byte, 32))+"}")
	}
	return "{aescbc: {keys: [" + strings.Join(keys, ", ") + "]}}"
}

func entry(resources string, providers ...string) string {
	return "- {resources: [" + resources + "], providers: [" + strings.Join(providers, ", ") + "]}\n"
}

func check(t *testing.T, in rules.Input, id string) *auditv1.Check {
	t.Helper()
	for _, c := range rules.Evaluate(in) {
		if c.Id == id {
			return c
		}
	}
	t.Fatalf("there is no rule %s", id)
	return nil
}

func TestEachRuleSaysWhatIsThere(t *testing.T) {
	secret := "secrets/default/a"
	tests := []struct {
		name   string
		id     string
		values stored
		config string
		keyID  string
		status auditv1.Status
		count  uint32
		says   string
	}{
		{"a plaintext Secret fails", "EA-101", stored{secret: plain, "secrets/default/b": kmsV2("p", "k", 1)}, "", "", fail, 1, "1 of 2 Secrets"},
		{"a Secret in an unknown encoding is plaintext", "EA-101", stored{secret: "who knows"}, "", "", fail, 1, "1 of 1 Secret "},
		{"an empty Secret is plaintext", "EA-101", stored{secret: ""}, "", "", fail, 1, "1 of 1"},
		{"an encrypted Secret passes", "EA-101", stored{secret: kmsV2("p", "k", 1)}, "", "", pass, 0, "none of 1 Secret"},
		{"a plaintext ConfigMap is no Secret", "EA-101", stored{secret: aesCBC("k"), "configmaps/default/a": plain}, "", "", pass, 0, "none"},
		{"a custom resource called secrets is no Secret", "EA-101", stored{"example.com/secrets/default/a": plain, "namespaces/default": plain}, "", "", notApplicable, 0, "no Secret under /registry/secrets/"},
		{"a prefix under which Secrets look like something else is not clean", "EA-101", stored{"default/a": plain}, "", "", notEvaluated, 0, "is that the --prefix?"},
		{"a Secret that only claims to be encrypted is not called so", "EA-101", stored{secret: unknown, "secrets/default/b": broken, "secrets/default/c": aesCBC("k")}, "", "", notEvaluated, 0, "2 of 3 Secrets only claim"},
		{"nothing at all is not clean", "EA-101", stored{}, "", "", notEvaluated, 0, "wrong etcd, or wrong --prefix"},

		{"a damaged value fails with its reason", "EA-102", stored{secret: broken}, "", "", fail, 1, "1 value malformed"},
		{"sound values pass", "EA-102", stored{secret: aesCBC("k")}, "", "", pass, 0, "was not tried"},

		{"an unknown provider is a warning", "EA-103", stored{secret: unknown}, "", "", warn, 1, "not known"},
		{"known providers pass", "EA-103", stored{secret: plain}, "", "", pass, 0, "known provider"},

		{"one key is no older than another", "EA-104", stored{secret: kmsV2("p", "k1", 1)}, "", "", pass, 0, "all 1 value: compared with the newest key in the store itself: provider p: key_id k1 (Vault key version 1)"},
		{"an older version is stale", "EA-104", stored{secret: kmsV2("p", "k1", 1), "secrets/default/b": kmsV2("p", "k2", 2)}, "", "", warn, 1, "1 of 2 values"},
		{"the key that is named decides", "EA-104", stored{secret: kmsV2("p", "k1", 1), "secrets/default/b": kmsV2("p", "k2", 2)}, "", "k1", warn, 1, "compared with key_id k1, as given"},
		{"a named key that nobody uses makes all stale", "EA-104", stored{secret: kmsV2("p", "k1", 1)}, "", "k9", warn, 1, "k9"},
		{"a key of another provider with the same name is not compared", "EA-104", stored{secret: aesCBC("p"), "secrets/default/b": kmsV2("p", "k1", 1)}, "", "", pass, 0, "all 1 value:"},
		{"other providers have no key_id", "EA-104", stored{secret: aesCBC("k")}, "", "", notApplicable, 0, "KMS v2"},

		{"plaintext of other resources is information", "EA-105", stored{secret: plain, "configmaps/default/a": plain, "pods/default/a": plain, "pods/default/b": plain}, "", "", warn, 3, "3 values of 2 resources"},
		{"Secrets are not other resources", "EA-105", stored{secret: plain}, "", "", pass, 0, "no other resource"},
		{"a configuration decides instead", "EA-105", stored{"pods/default/a": plain}, entry("secrets", kmsProvider), "", notApplicable, 0, "EA-111"},

		{"values of KMS v1 are a warning", "EA-106", stored{secret: kmsV1("p"), "secrets/default/b": kmsV2("p", "k", 1)}, "", "", warn, 1, "secrets (1 of 2)"},
		{"values of KMS v2 pass", "EA-106", stored{secret: kmsV2("p", "k", 1)}, "", "", pass, 0, "no value"},

		{"without a configuration there is nothing to compare with", "EA-111", stored{secret: plain}, "", "", notApplicable, 0, "no --encryption-provider-config"},
		{"plaintext although configured", "EA-111", stored{secret: plain, "configmaps/default/a": plain}, entry("secrets, configmaps", kmsProvider, "{identity: {}}"), "", fail, 2, "configmaps (1 of 1), secrets (1 of 1)"},
		{"plaintext by a wildcard", "EA-111", stored{"deployments/default/a": plain}, entry(`"*.apps"`, kmsProvider), "", fail, 1, "deployments.apps (1 of 1)"},
		{"plaintext that the API server cannot read", "EA-114", stored{secret: plain}, entry("secrets", kmsProvider), "", fail, 1, "cannot read: secrets (1 of 1)"},
		{"plaintext that it can read", "EA-114", stored{secret: plain, "pods/default/a": plain}, entry("secrets", kmsProvider, "{identity: {}}"), "", pass, 0, "every value"},
		{"plaintext of what is not configured is right", "EA-111", stored{secret: kmsV2("p", "k", 1), "pods/default/a": plain}, entry("secrets", kmsProvider), "", pass, 0, "is encrypted"},
		{"a resource of an unknown group is not guessed", "EA-111", stored{"gizmos/default/a": plain}, entry("gizmos.example.com", kmsProvider), "", notEvaluated, 0, "gizmos"},

		{"an older provider", "EA-112", stored{secret: aesCBC("k")}, entry("secrets", kmsProvider, aesProvider("k")), "", warn, 1, "secrets (1 of 1)"},
		{"an older key of the first provider", "EA-112", stored{secret: aesCBC("old")}, entry("secrets", aesProvider("new", "old")), "", warn, 1, "secrets (1 of 1)"},
		{"a key that was replaced under its old name", "EA-112", stored{secret: aesCBC("k")}, entry("secrets", aesProvider("k", "k")), "", notEvaluated, 0, "of a name that several keys"},
		{"names prove no keys", "EA-114", stored{secret: aesCBC("k")}, entry("secrets", aesProvider("k")), "", pass, 0, "by name: 1 encrypted value"},
		{"the first key of the first provider", "EA-112", stored{secret: aesCBC("new")}, entry("secrets", aesProvider("new", "old")), "", pass, 0, "no encrypted value"},

		{"encrypted while identity stands first", "EA-113", stored{secret: kmsV2("p", "k", 1)}, entry("secrets", "{identity: {}}", kmsProvider), "", warn, 1, "secrets (1 of 1)"},
		{"encrypted as configured", "EA-113", stored{secret: kmsV2("p", "k", 1)}, entry("secrets", kmsProvider, "{identity: {}}"), "", pass, 0, "no plaintext over"},

		{"encrypted by a provider that is not there", "EA-114", stored{secret: kmsV2("q", "k", 1)}, entry("secrets", kmsProvider), "", fail, 1, "secrets (1 of 1)"},
		{"encrypted but not named at all", "EA-114", stored{"configmaps/default/a": kmsV2("p", "k", 1)}, entry("secrets", kmsProvider), "", fail, 1, "configmaps (1 of 1)"},
		{"encrypted by a provider that no configuration has", "EA-114", stored{secret: unknown}, entry("secrets", kmsProvider), "", fail, 1, "secrets (1 of 1)"},

		{"Secrets are configured", "EA-401", stored{secret: plain}, entry("secrets", kmsProvider), "", pass, 0, "kms v2 p (entry secrets)"},
		{"Secrets are not configured", "EA-401", stored{secret: plain}, entry("configmaps", kmsProvider), "", fail, 0, "no entry names Secrets"},
		{"identity stands first", "EA-401", stored{secret: plain}, entry(`"*."`, "{identity: {}}", kmsProvider), "", fail, 0, "identity stands first (entry *.)"},
		{"without a configuration nothing is configured", "EA-401", stored{secret: plain}, "", "", notApplicable, 0, "no --encryption-provider-config"},

		{"a configuration of KMS v1", "EA-402", stored{secret: plain}, entry("secrets", kmsV1Provider), "", warn, 0, "secrets by old:v1"},
		{"a configuration of KMS v2", "EA-402", stored{secret: plain}, entry("secrets", kmsProvider), "", pass, 0, "no entry"},
		{"without a configuration there is no KMS v1 in it", "EA-402", stored{secret: kmsV1("p")}, "", "", notApplicable, 0, "no --encryption-provider-config"},
	}
	for _, id := range []string{"EA-111", "EA-112", "EA-113", "EA-114"} {
		tests = append(tests, tests[0])
		tt := &tests[len(tests)-1]
		tt.name, tt.id, tt.config = "a damaged value is not judged", id, entry("secrets", kmsProvider)
		tt.values, tt.status, tt.count, tt.says = stored{secret: broken, "secrets/default/b": kmsV2("p", "k", 1)}, notEvaluated, 0, "1 value malformed (see EA-102)"
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.id+" "+tt.name, func(t *testing.T) {
			var against *encryptionconfig.Config
			if tt.config != "" {
				against = config(t, tt.config)
			}
			in := compared(tt.values, against)
			in.CurrentKeyID = tt.keyID
			c := check(t, in, tt.id)
			if c.Status != tt.status || c.Count != tt.count {
				t.Errorf("%v, count %d; want %v, %d: %s %s", c.Status, c.Count, tt.status, tt.count, c.Summary, c.Reason)
			}
			if said := c.Summary + c.Reason; !strings.Contains(said, tt.says) {
				t.Errorf("does not say %q: %s", tt.says, said)
			}
			if rules.Finding(c.Status) != (c.Remediation != "") {
				t.Errorf("status %v with remediation %q", c.Status, c.Remediation)
			}
		})
		tested[tt.id] = true
	}
	for _, r := range rules.All() {
		if !tested[r.ID] {
			t.Errorf("no test for %s", r.ID)
		}
	}
}

func TestIDsAreUniqueOrderedAndComplete(t *testing.T) {
	last := ""
	for _, r := range rules.All() {
		if r.ID <= last || !strings.HasPrefix(r.ID, "EA-") || r.Title == "" || r.Remediation == "" || r.Severity == auditv1.Severity_SEVERITY_UNSPECIFIED {
			t.Errorf("%s after %s: %+v", r.ID, last, r)
		}
		last = r.ID
	}
}

func TestObjectsAreNamedAndNeverShown(t *testing.T) {
	c := check(t, input(stored{"secrets/default/bad\x1b[2J": plain, "secrets/default/\xff": plain}), "EA-101")
	if len(c.Objects) != 2 || c.ObjectsOmitted != 0 {
		t.Fatalf("%v", c.Objects)
	}
	for _, o := range c.Objects {
		if strings.Contains(o.Name, "\x1b") || !utf8.ValidString(o.Name) || !strings.Contains(o.Name, `\x`) {
			t.Errorf("%q is not safe for a terminal", o.Name)
		}
	}
	if text := fmt.Sprint(c); strings.Contains(text, "hunter2") {
		t.Error("a value is shown")
	}
	malformed := check(t, input(stored{"secrets/default/a": broken}), "EA-102")
	if o := malformed.Objects[0]; o.Detail == "" || o.Resource != "secrets" || o.Namespace != "default" || o.Name != "a" {
		t.Errorf("%v", o)
	}
}

func TestMoreFindingsThanAreListedAreCounted(t *testing.T) {
	values := stored{}
	for i := range 1500 {
		values[fmt.Sprintf("secrets/default/%d", i)] = broken
	}
	c := check(t, input(values), "EA-102")
	if c.Count != 1500 || len(c.Objects) != 1000 || c.ObjectsOmitted != 500 {
		t.Errorf("count %d, %d listed, %d omitted", c.Count, len(c.Objects), c.ObjectsOmitted)
	}
}

// A store can be made to hold more names than are told apart. What is left out
// then must not pass.
func TestMoreKeysThanAreToldApartHideNothing(t *testing.T) {
	inv := inventory.New("/registry")
	inv.Config = config(t, entry("secrets, configmaps", kmsProvider, "{identity: {}}"))
	for i := range 10_001 {
		inv.Add(fmt.Appendf(nil, "/registry/secrets/default/%d", i), []byte(kmsV2("p", fmt.Sprintf("k%05d", i), 1)), int64(i))
	}
	in := rules.Input{Inventory: inv, CurrentKeyID: "k00000"}
	for _, id := range []string{"EA-111", "EA-112", "EA-113", "EA-114"} {
		if c := check(t, in, id); c.Status != pass {
			t.Errorf("%s: %v: %s%s", id, c.Status, c.Summary, c.Reason)
		}
	}
	inv.Add([]byte("/registry/secrets/default/unreadable"), []byte(kmsV2("q", "k", 1)), 1)
	if c := check(t, in, "EA-114"); c.Status != fail || c.Count != 1 || len(c.Objects) != 1 || c.Objects[0].Name != "unreadable" {
		t.Errorf("a value of another provider after so many keys: %v, count %d, %v", c.Status, c.Count, c.Objects)
	}
	inv.Add([]byte("/registry/configmaps/default/a"), []byte(plain), 1)
	if c := check(t, in, "EA-111"); c.Status != fail || c.Count != 1 {
		t.Errorf("plaintext after so many keys: %v, count %d", c.Status, c.Count)
	}

	same := inventory.New("/registry")
	for i := range 10_000 {
		same.Add(fmt.Appendf(nil, "/registry/pods/default/%d", i), []byte(aesCBC(fmt.Sprint(i))), 1)
	}
	same.Add([]byte("/registry/secrets/default/a"), []byte(kmsV2("p", "k", 1)), 1)
	if c := check(t, rules.Input{Inventory: same}, "EA-104"); c.Status != notEvaluated || !strings.Contains(c.Reason, "1 of 1 value") {
		t.Errorf("EA-104: %v: %s%s", c.Status, c.Summary, c.Reason)
	}
}

func TestAnotherKeyThatWasWrittenLastIsNamed(t *testing.T) {
	inv := inventory.New("/registry")
	inv.Add([]byte("/registry/secrets/default/a"), []byte(kmsV2("p", "of-the-old-key", 7)), 1)
	inv.Add([]byte("/registry/secrets/default/b"), []byte(kmsV2("p", "of-the-new-key", 1)), 2)
	c := check(t, rules.Input{Inventory: inv}, "EA-104")
	if c.Status != warn || !strings.Contains(c.Summary, "although key_id of-the-new-key was written last") || !strings.Contains(c.Summary, "--current-key-id") {
		t.Errorf("%v: %s", c.Status, c.Summary)
	}
	if named := check(t, rules.Input{Inventory: inv, CurrentKeyID: "of-the-new-key"}, "EA-104"); strings.Contains(named.Summary, "although") {
		t.Errorf("%s", named.Summary)
	}
}

func TestAnEmptyStorePassesNoCheckOfTheStore(t *testing.T) {
	in := compared(stored{}, config(t, entry("secrets", kmsProvider)))
	for _, c := range rules.Evaluate(in) {
		if c.Status == pass && !strings.HasPrefix(c.Id, "EA-4") { // those are about the file
			t.Errorf("%s passes on nothing", c.Id)
		}
	}
}
