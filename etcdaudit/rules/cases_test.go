package rules_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	upstream "k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

const casesDir = "testdata/cases/"

// right is what a check must say of a case. Passing checks name nothing.
type right struct {
	status check.Status
	names  []string // "resource namespace/name"
	says   string   // in the summary, the remediation or a detail
}

func cases() []struct {
	config, store string
	want          map[string]right
} {
	return []struct {
		config, store string
		want          map[string]right
	}{
		{"a01-no-identity.yaml", "a01-no-identity.store", map[string]right{
			"EA-101": {check.Fail, []string{"secrets default/bootstrap-token"}, "add identity as the last provider for secrets, on every API server: without it they cannot read the plaintext that they are to rewrite; then "},
			"EA-111": {check.Fail, []string{"secrets default/bootstrap-token"}, "add identity as the last provider for secrets, on every API server: without it they cannot read the plaintext that they are to rewrite; then "},
			"EA-112": {check.Pass, nil, "all 1 encrypted value opened with its keys"},
			"EA-114": {check.Fail, []string{"secrets default/bootstrap-token"}, "identity is missing"},
		}},
		{"a03-rotated.yaml", "a03b-one-left.store", map[string]right{
			"EA-111": {check.Pass, nil, ""},
			"EA-112": {check.Warn, []string{"secrets kube-system/serving-cert"}, "aescbc key1, older key"},
			"EA-114": {check.Pass, nil, "all 41 encrypted values opened"},
		}},
		{"a04b-node-a.yaml", "a04b-two-nodes.store", map[string]right{
			"EA-112": {check.Pass, nil, ""},
			"EA-114": {check.Fail, []string{"secrets default/by-node-b"}, "the key of this name does not open it"},
		}},
		{"a04b-node-b.yaml", "a04b-two-nodes.store", map[string]right{
			"EA-112": {check.Pass, nil, ""},
			"EA-114": {check.Fail, []string{"secrets default/by-node-a"}, "the key of this name does not open it"},
		}},
		{"a05-k3s-aescbc.json", "a05-k3s-aescbc.store", map[string]right{
			"EA-112": {check.Warn, []string{"secrets default/old"}, "aescbc aescbckey-2026-03-09T09:12:03+01:00, older key"},
			"EA-114": {check.Pass, nil, "all 2 encrypted values opened"},
		}},
		{"a05-k3s-split.json", "a05-k3s-split.store", map[string]right{
			"EA-101": {check.Fail, []string{"secrets default/written-by-cp2"}, ""},
			"EA-111": {check.Pass, nil, ""},
			"EA-113": {check.Warn, []string{"secrets default/written-by-cp1"}, ""},
			"EA-114": {check.Pass, nil, ""},
		}},
		{"a05-k3s-secretbox.json", "a05-k3s-secretbox.store", map[string]right{"EA-112": {check.Pass, nil, ""}, "EA-114": {check.Pass, nil, "all 1 encrypted value opened"}}},
		{"a05-k3s-secretbox-one.json", "a05-k3s-secretbox-one.store", map[string]right{
			"EA-112": {check.Pass, nil, ""},
			"EA-114": {check.Fail, []string{"secrets default/left-under-the-removed-key"}, "no provider or key of this name"},
		}},
		{"a05-k3s-secretbox-one.json", "a05-k3s-secretbox-gone.store", map[string]right{
			"EA-112": {check.Pass, nil, ""},
			"EA-114": {check.Fail, []string{"secrets default/third-key"}, "no provider or key of this name"},
		}},
		{"a10-everything.yaml", "a10-everything.store", map[string]right{
			"EA-101": {check.Pass, nil, ""},
			"EA-111": {check.Fail, []string{"namespaces default", "podsecuritypolicy restricted", "things.example.io a"}, "delete the keys of things.example.io from etcd (etcdctl del)"},
			"EA-114": {check.Pass, nil, "all 3 encrypted values opened"},
		}},
	}
}

func TestCasesWithAKnownRightAnswer(t *testing.T) {
	for _, tt := range cases() {
		t.Run(tt.store+" against "+tt.config, func(t *testing.T) {
			in := fromFiles(t, "/registry", "cases/"+tt.config, "cases/"+tt.store)
			for _, id := range slices.Sorted(maps.Keys(tt.want)) {
				want, c := tt.want[id], stored.Result(t, in, id)
				said := c.Summary + c.Remedy
				var names []string
				for _, o := range c.Objects {
					names = append(names, o.Resource+" "+path.Join(o.Namespace, o.Name))
					said += o.Detail
				}
				if c.Status != want.status || !cmp.Equal(names, want.names) || int(c.Count) != len(names) || !strings.Contains(said, want.says) {
					t.Errorf("%s: %v, count %d, %q, %s\nwant %v, %q, %q", id, c.Status, c.Count, names, said, want.status, want.names, want.says)
				}
			}
		})
	}
}

// The objects of a removed API are out of the API server's reach: no remedy may send
// an operator there.
func TestWhatNoAPIServesIsNotToBeRewritten(t *testing.T) {
	const rewrite, remove, find = "rewrite the objects", "delete the keys of things.example.io from etcd", "find out what serves podsecuritypolicy: "
	store := stored.Load(t, casesDir+"a10-everything.store")
	if c := stored.Result(t, judged(t, "/registry", "cases/a10-everything.yaml", store), "EA-111"); !strings.Contains(c.Remedy, rewrite) || !strings.Contains(c.Remedy, remove) || !strings.Contains(c.Remedy, find) {
		t.Errorf("with a Namespace that can be rewritten: %s", c.Remedy)
	}
	store = slices.DeleteFunc(store, func(r record.Record) bool { return strings.HasPrefix(string(r.Key), "/registry/namespaces/") })
	if c := stored.Result(t, judged(t, "/registry", "cases/a10-everything.yaml", store), "EA-111"); strings.Contains(c.Remedy, rewrite) || !strings.Contains(c.Remedy, remove) {
		t.Errorf("without it: %s", c.Remedy)
	}
	definition := stored.Record("apiextensions.k8s.io/customresourcedefinitions/things.example.io", "k8s:enc:secretbox:v1:key1:", 40)
	if c := stored.Result(t, judged(t, "/registry", "cases/a10-everything.yaml", append(store, definition)), "EA-111"); strings.Contains(c.Remedy, "things.example.io") || !strings.Contains(c.Remedy, rewrite) {
		t.Errorf("with a definition: %s", c.Remedy)
	}
	// Nor is a configuration to be changed for what no API server will read.
	in := stored.Facts(stored.Config(t, stored.Entry(`"*.*"`, stored.KMS("v2", "p"))), stored.Record("podsecuritypolicy/restricted", stored.Plaintext, 1))
	if c := stored.Result(t, in, "EA-111"); strings.Contains(c.Remedy, "add identity") || !strings.Contains(c.Remedy, find) || strings.Contains(c.Remedy, "delete the keys of") {
		t.Errorf("without identity: %s", c.Remedy)
	}
}

// What the API server's own transformers cannot read is what EA-114 names.
func TestTheAPIServerAgreesOnWhatItCannotRead(t *testing.T) {
	unreadable := 0
	for _, tt := range cases() {
		loaded, err := upstream.LoadEncryptionConfig(t.Context(), casesDir+tt.config, false, "")
		if err != nil {
			t.Fatal(err)
		}
		var theirs []string
		store := stored.Load(t, casesDir+tt.store)
		for _, s := range store {
			k, _ := storedvalue.ParseKey("/registry", s.Key)
			out, _, err := transformerOf(loaded, k.Resource()).TransformFromStorage(t.Context(), s.Value, value.DefaultContext(s.Key))
			if err != nil || !storedvalue.IsObject(out) {
				theirs = append(theirs, string(k.Name))
			}
		}
		unreadable += len(theirs)
		var ours []string
		for _, o := range stored.Result(t, judged(t, "/registry", "cases/"+tt.config, store), "EA-114").Objects {
			ours = append(ours, o.Name)
		}
		if !cmp.Equal(ours, theirs) {
			t.Errorf("%s against %s: %q, the API server %q", tt.store, tt.config, ours, theirs)
		}
	}
	if unreadable == 0 {
		t.Error("the API server can read everything: the comparison proves little")
	}
}

// transformerOf is the API server's choice for a resource. It opens the storage
// of what it keeps for itself without asking for one.
func transformerOf(c *upstream.EncryptionConfiguration, r apiresource.Resource) value.Transformer {
	if r.Internal {
		return identity.NewEncryptCheckTransformer()
	}
	return upstream.StaticTransformers(c.Transformers).TransformerForResource(schema.GroupResource{Group: r.Group, Resource: r.Name})
}
