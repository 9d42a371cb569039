package carve_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

const (
	mapKey    = "/registry/configmaps/default/outer"
	widgetKey = "/registry/example.com/widgets/default/outer"
)

// widget is a custom resource as an API server stores it: JSON, sorted.
func widget(t testing.TB, spec map[string]any) []byte {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"name": "outer", "namespace": "default"}, "spec": spec,
	}}
	out, err := runtime.Encode(unstructured.UnstructuredJSONScheme, u)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func asMap(t testing.TB, obj runtime.Object) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(encode(t, storedvalue.JSON, obj), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func pretty(t testing.TB, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "    "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const manifest = `# made by hand
apiVersion: v1
kind: ConfigMap
metadata:
  name: other
---
kind: Secret
apiVersion: v1
metadata:
  labels:
    name: wrong
  name: inner
  namespace: apart
stringData:
  password: correct horse
`

const list = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  data:
    password: Y29ycmVjdA==
  kind: Secret
  metadata:
    name: inner
    namespace: apart
`

func TestASecretInAnotherObjectIsNamedByTheOther(t *testing.T) {
	inner := secret("apart", "inner", 500)
	asJSON := bytes.TrimSpace(encode(t, storedvalue.JSON, inner))
	applied := string(must(json.Marshal(asMap(t, configMap("outer", map[string]string{"m": string(asJSON)})))))
	for _, tt := range []struct {
		name   string
		text   string // in the data of a ConfigMap, or the spec of a custom resource
		format storedvalue.Format
	}{
		{"JSON", string(asJSON), storedvalue.JSON},
		{"indented JSON", pretty(t, asJSON), storedvalue.JSON},
		{"sorted JSON", string(must(json.Marshal(asMap(t, inner)))), storedvalue.JSON},
		{"JSON in JSON", applied, storedvalue.JSON},
		{"YAML", string(encode(t, storedvalue.YAML, inner)), storedvalue.YAML},
		{"a manifest with several documents", manifest, storedvalue.YAML},
		{"a list in YAML", list, storedvalue.YAML},
		{"a manifest with line ends of Windows", string(bytes.ReplaceAll([]byte(manifest), []byte("\n"), []byte("\r\n"))), storedvalue.YAML},
	} {
		for _, format := range formats {
			if format == storedvalue.YAML && bytes.Contains([]byte(tt.text), []byte("\r")) {
				continue // YAML folds such a text, which Within says it does not undo
			}
			t.Run(tt.name+" in a ConfigMap in "+format.String(), func(t *testing.T) {
				value := encode(t, format, configMap("outer", map[string]string{"a": "b", "text": tt.text, "z": "{ } kind: x"}))
				oneEmbedded(t, keyValue(t, mapKey, value, 1, 2, 3), mapKey, tt.format)
				within(t, value, tt.format)
			})
		}
		t.Run(tt.name+" in a custom resource", func(t *testing.T) {
			value := widget(t, map[string]any{"text": tt.text, "braces": "}}{"})
			oneEmbedded(t, written(t, widgetKey, value), widgetKey, tt.format)
			within(t, value, tt.format)
		})
	}
	t.Run("an object in a custom resource", func(t *testing.T) {
		value := widget(t, map[string]any{"template": asMap(t, inner)})
		oneEmbedded(t, written(t, widgetKey, value), widgetKey, storedvalue.JSON)
		within(t, value, storedvalue.JSON)
	})
	for _, format := range []storedvalue.Format{storedvalue.Protobuf, storedvalue.CBOR} {
		t.Run("bytes in "+format.String(), func(t *testing.T) {
			outer := configMap("outer", nil)
			outer.BinaryData = map[string][]byte{"b": encode(t, format, inner)}
			value := encode(t, storedvalue.Protobuf, outer)
			oneEmbedded(t, keyValue(t, mapKey, value, 1, 2, 3), mapKey, format)
			within(t, value, format)
		})
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func oneEmbedded(t *testing.T, data []byte, in string, format storedvalue.Format) {
	t.Helper()
	hits := searchAll(t, append(bytes.Clone(data), 0, 0, 0))
	if len(hits) != 1 {
		t.Fatalf("%d hits: %+v", len(hits), hits)
	}
	want := found{
		Resource: "secrets", Namespace: "apart", Name: "inner", Format: format, Embedded: true, EmbeddedIn: in,
		Offset: hits[0].Offset, Length: hits[0].Length,
	}
	if diff := cmp.Diff(want, hits[0]); diff != "" {
		t.Error(diff)
	}
	if hits[0].Offset < int64(len(in)) || hits[0].Length < 80 {
		t.Errorf("%d bytes at %d", hits[0].Length, hits[0].Offset)
	}
}

func within(t *testing.T, value []byte, format storedvalue.Format) {
	t.Helper()
	o, ok := carve.Within(value)
	if !ok || string(o.Name) != "inner" || string(o.Namespace) != "apart" || o.Format != format || o.Offset <= 0 {
		t.Errorf("within the value: %v, %q %q %v at %d", ok, o.Namespace, o.Name, o.Format, o.Offset)
	}
}

func TestASecretInASecretIsOne(t *testing.T) {
	for _, outer := range formats {
		for _, inner := range formats {
			s := secret("default", "db", 10)
			s.Data["inner"] = encode(t, inner, secret("apart", "inner", 100))
			s.Data["dump"] = keyValue(t, "/registry/secrets/apart/inner", s.Data["inner"], 1, 2, 3)
			s.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: string(must(json.Marshal(asMap(t, secret("default", "db", 10)))))}
			value := encode(t, outer, s)
			for name, data := range map[string][]byte{"in a database": keyValue(t, dbKey, value, 1, 2, 3), "without its key": value} {
				hits := searchAll(t, append(bytes.Clone(data), 0, 0))
				if len(hits) != 1 || hits[0].Name != "db" || hits[0].Embedded || hits[0].Cut {
					t.Errorf("%v in %v, %s: %+v", inner, outer, name, hits)
				}
			}
			// Under a key of another kind it is the outer one that is found.
			if o, ok := carve.Within(value); !ok || string(o.Name) != "db" {
				t.Errorf("%v in %v: %v, %q is found", inner, outer, ok, o.Name)
			}
		}
	}
}

// named is what mentions Secrets, and is none.
func named(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	reference := map[string]any{"apiVersion": "v1", "kind": "Secret", "name": "db", "namespace": "default"}
	all["a custom resource that refers to one"] = written(t, widgetKey, widget(t, map[string]any{
		"ref": reference, "refs": []any{reference, reference}, "data": map[string]any{"metadata": map[string]any{"name": "x"}},
		"text":   "kind: Secret\nname: db\n",
		"target": map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db", "namespace": "default"}},
		"enum":   []any{"Secret", "ConfigMap"},
		"schema": map[string]any{"kind": map[string]any{"type": "string", "enum": []any{"Secret"}}},
		"owner":  `{"ownerReferences":[{"apiVersion":"v1","kind":"Secret","name":"x","uid":"y"}]}`,
	}))
	for _, kind := range []string{"SecretList", "SealedSecret", "ExternalSecret", "SecretStore", "SecretProviderClass", "Secrets"} {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": kind, "metadata": map[string]any{"name": "x", "namespace": "y"},
			"data": map[string]any{"a": "b"}, "type": "Opaque",
		}}
		b, err := runtime.Encode(unstructured.UnstructuredJSONScheme, u)
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = written(t, "/registry/example.com/x/y/x", b)
		all[kind+" without its key"] = b
		all[kind+" in the core group"] = bytes.Replace(b, []byte("example.com/v1"), []byte("v1"), 1)
	}
	all["a Secret of another group"] = []byte(`{"apiVersion":"example.com/v1","data":{},"kind":"Secret","metadata":{"name":"x"}}` + "\n")
	for _, format := range formats {
		for name, obj := range map[string]runtime.Object{
			"a role": &rbacv1.ClusterRole{
				ObjectMeta: metav1.ObjectMeta{Name: "r", OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: "x"}}},
				Rules:      []rbacv1.PolicyRule{{Resources: []string{"secrets", "Secret"}, Verbs: []string{"get"}}},
			},
			"an event": &corev1.Event{
				ObjectMeta:     metav1.ObjectMeta{Name: "e", Namespace: "n"},
				InvolvedObject: corev1.ObjectReference{Kind: "Secret", APIVersion: "v1", Namespace: "n", Name: "db"},
				Message:        "kind: Secret\nmetadata: none", Reason: "Secret",
			},
			"an empty list of Secrets": &corev1.SecretList{},
			"a list of Secrets":        &corev1.SecretList{Items: []corev1.Secret{*secret("a", "b", 10)}},
			"a pod":                    &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "Secret"}}}}}},
		} {
			value := encode(t, format, obj)
			all[name+" in "+format.String()] = keyValue(t, "/registry/x/n/e", value, 1, 2, 3)
			all[name+" in "+format.String()+" without its key"] = value
		}
	}
	for _, provider := range []string{"aescbc", "aesgcm", "secretbox", "kms"} {
		sealed := []byte("k8s:enc:" + provider + ":v1:key1:" + string(garbage(1, 500)))
		all["ciphertext of "+provider] = keyValue(t, dbKey, sealed, 1, 2, 3)
		all["ciphertext of "+provider+" in a write-ahead log"] = written(t, dbKey, sealed)
	}
	all["a transaction that only reads"] = marshalRead(t)
	all["a deleted range"] = marshalDelete(t)
	all["keys alone"] = []byte(dbKey + "\n" + dbKey + "\x00" + dbKey)
	all["a Secret's key with text"] = keyValue(t, dbKey, []byte("hello"), 1, 2, 3)
	all["a Secret's key without a value"] = keyValue(t, dbKey, nil, 1, 2, 3)
	return all
}

func garbage(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		v := r.Uint64()
		for k := range 8 {
			b[i+k] = byte(v >> (8 * k))
		}
	}
	return b
}

func TestWhatOnlyNamesASecretIsNone(t *testing.T) {
	for name, data := range named(t) {
		if hits := searchAll(t, data); len(hits) > 0 {
			t.Errorf("%s: %+v", name, hits)
		}
		if o, ok := carve.Within(data); ok {
			t.Errorf("%s: %q %q is found within", name, o.Namespace, o.Name)
		}
	}
}

func TestRandomBytesAreNoObject(t *testing.T) {
	size := 64 << 20
	if testing.Short() {
		size = 4 << 20
	}
	if hits := searchAll(t, garbage(7, size)); len(hits) > 0 {
		t.Errorf("%+v", hits)
	}
}
