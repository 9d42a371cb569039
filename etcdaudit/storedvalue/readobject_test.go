package storedvalue_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

var mediaTypes = []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON, runtime.ContentTypeYAML, runtime.ContentTypeCBOR}

// stored is what an API server stores, in any of the encodings.
func stored(t testing.TB, mediaType string, obj runtime.Object) []byte {
	t.Helper()
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.WithSerializer(cbor.NewSerializerInfo))
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Fatalf("no serializer for %s", mediaType)
	}
	gvk, _, err := scheme.Scheme.ObjectKinds(obj)
	if err != nil {
		t.Fatal(err)
	}
	out, err := runtime.Encode(codecs.EncoderForVersion(info.Serializer, gvk[0].GroupVersion()), obj)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryBuiltInTypeIsReadInEveryEncoding(t *testing.T) {
	types := 0
	for gvk := range scheme.Scheme.AllKnownTypes() {
		obj, err := scheme.Scheme.New(gvk)
		if err != nil || gvk.Version == runtime.APIVersionInternal {
			continue
		}
		named, err := meta.Accessor(obj)
		if err != nil {
			continue // lists and options are not stored
		}
		named.SetName("the-name")
		named.SetNamespace("the-namespace")
		named.SetLabels(map[string]string{"name": "wrong", "namespace": "wrong", "kind": "Wrong"})
		named.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v9", Kind: "Wrong", Name: "wrong"}})
		types++
		for _, mediaType := range mediaTypes {
			b := stored(t, mediaType, obj)
			o, ok := storedvalue.ReadObject(b)
			if !ok || string(o.APIVersion) != gvk.GroupVersion().String() || string(o.Kind) != gvk.Kind ||
				string(o.Name) != "the-name" || string(o.Namespace) != "the-namespace" || !o.Complete || o.Length != len(b) {
				t.Errorf("%v as %s: %q %q %q %q, %d of %d bytes, complete %v", gvk, mediaType, o.APIVersion, o.Kind, o.Namespace, o.Name, o.Length, len(b), o.Complete)
			}
		}
	}
	if types < 60 {
		t.Errorf("only %d types: the comparison proves little", types)
	}
}

func TestAnObjectEndsWhereItEnds(t *testing.T) {
	s := secret()
	s.Type = corev1.SecretTypeOpaque
	for _, mediaType := range mediaTypes {
		whole := stored(t, mediaType, s)
		for _, after := range []string{"", "\x00", "\x1a\x03abc", "\xff\xff", "k8s\x00", "{", string(whole)} {
			o, _ := storedvalue.ReadObject(append(bytes.Clone(whole), after...))
			want := len(whole)
			if mediaType == runtime.ContentTypeYAML && after == string(whole) {
				continue // YAML shows no end that other YAML could not continue
			}
			if o.Length != want || !o.Complete {
				t.Errorf("%s before %.8q: %d of %d bytes, complete %v", mediaType, after, o.Length, want, o.Complete)
			}
		}
		for n := range len(whole) - 1 {
			cut := whole[:n:n]
			o, ok := storedvalue.ReadObject(cut)
			if o.Complete && mediaType != runtime.ContentTypeYAML || o.Length > n || ok && o.Length < min(n, 3) {
				t.Errorf("%s cut at %d: %d bytes, complete %v", mediaType, n, o.Length, o.Complete)
			}
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = storedvalue.ReadObject(whole) }); n != 0 {
			t.Errorf("%s: %v allocations", mediaType, n)
		}
	}
}

func TestTextThatIsTheContentOfAStringIsRead(t *testing.T) {
	s := secret()
	s.Annotations = map[string]string{"quoted": `a "quote", a \ and a {`, "name": "wrong"}
	plain := strings.TrimSpace(string(stored(t, runtime.ContentTypeJSON, s)))
	pretty := &bytes.Buffer{}
	if err := json.Indent(pretty, []byte(plain), "", "  "); err != nil {
		t.Fatal(err)
	}
	yaml := string(stored(t, runtime.ContentTypeYAML, s))
	for escaped := range 4 {
		for name, read := range map[string]func() (storedvalue.Object, string){
			"JSON": func() (storedvalue.Object, string) { return storedvalue.ReadJSON([]byte(plain+`"`), escaped), plain },
			"pretty": func() (storedvalue.Object, string) {
				return storedvalue.ReadJSON([]byte(pretty.String()+`"`), escaped), pretty.String()
			},
			"YAML": func() (storedvalue.Object, string) {
				return storedvalue.ReadYAML([]byte(yaml+`"`), storedvalue.YAMLText{Escaped: escaped}), yaml
			},
		} {
			if o, text := read(); string(o.Kind) != "Secret" || string(o.Name) != "db" || string(o.Namespace) != "default" || !o.Data || !o.Complete || o.Length != len(text) {
				t.Errorf("%s, escaped %d times: %q %q %q, data %v, %d of %d bytes, complete %v", name, escaped, o.Kind, o.Namespace, o.Name, o.Data, o.Length, len(text), o.Complete)
			}
		}
		plain, yaml = quoted(t, plain), quoted(t, yaml)
		prettier := quoted(t, pretty.String())
		pretty = bytes.NewBufferString(prettier)
	}
}

// quoted is a text as the content of a JSON string.
func quoted(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(out.String()), `"`), `"`)
}

func TestYAMLIsReadAsPeopleWriteIt(t *testing.T) {
	for name, tt := range map[string]struct {
		text      string
		yaml      storedvalue.YAMLText
		namespace string
	}{
		"kind first, quotes, comments, blank lines": {text: "kind: \"Secret\"\n# a comment\n\napiVersion: 'v1'\nmetadata:\n    # deeper\n    labels:\n        name: wrong\n    name: \"db\"\n", namespace: ""},
		"an element of a list":                      {text: "apiVersion: v1\n  kind: Secret\n  metadata:\n    name: db\n    namespace: x\n- apiVersion: v1\n  kind: Other\n", yaml: storedvalue.YAMLText{Indent: 2}, namespace: "x"},
		"line ends of Windows":                      {text: "apiVersion: v1\r\nkind: Secret\r\nmetadata:\r\n  name: db\r\n  namespace: x\r\n", namespace: "x"},
		"a list that is not indented":               {text: "apiVersion: v1\nkind: Secret\nmetadata:\n  finalizers:\n  - name: wrong\n  name: db\nitems:\n- name: wrong\n", namespace: ""},
		"a second document":                         {text: "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n---\nkind: Other\n", namespace: ""},
		"no line end at the end":                    {text: "apiVersion: v1\nmetadata:\n  name: db\nkind: Secret\x12\x04next", namespace: ""},
	} {
		o := storedvalue.ReadYAML([]byte(tt.text), tt.yaml)
		if string(o.APIVersion) != "v1" || string(o.Kind) != "Secret" || string(o.Name) != "db" || string(o.Namespace) != tt.namespace {
			t.Errorf("%s: %q %q %q %q", name, o.APIVersion, o.Kind, o.Namespace, o.Name)
		}
	}
}

// FuzzReadObject looks for panics, for what is read beyond the bytes, and for
// lengths that are not in them.
func FuzzReadObject(f *testing.F) {
	for _, mediaType := range mediaTypes {
		f.Add(stored(f, mediaType, secret()), 0, 0)
	}
	f.Add([]byte(`{\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"}}"`), 1, 0)
	f.Add([]byte("\xd9\xd9\xf7\xbf\x9b\xff\xff\xff\xff\xff\xff\xff\xff"), 0, 0)
	f.Fuzz(func(t *testing.T, b []byte, escaped, indent int) {
		if escaped < 0 || escaped > 6 || indent < 0 || indent > 100 {
			return
		}
		o, _ := storedvalue.ReadObject(b)
		for _, o := range []storedvalue.Object{o, storedvalue.ReadJSON(b, escaped), storedvalue.ReadYAML(b, storedvalue.YAMLText{Indent: indent, Escaped: escaped})} {
			if o.Length < 0 || o.Length > len(b) {
				t.Errorf("a length of %d in %d bytes", o.Length, len(b))
			}
			for _, view := range [][]byte{o.APIVersion, o.Kind, o.Namespace, o.Name} {
				if !within(b, view) {
					t.Error("a field is not a view of the bytes")
				}
			}
		}
	})
}
