package storedvalue_test

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// storedAsYAML is what an API server with --storage-media-type=application/yaml
// stores.
func storedAsYAML(t *testing.T, obj runtime.Object) []byte {
	t.Helper()
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeYAML)
	if !ok {
		t.Fatal("no serializer for YAML")
	}
	gvk, _, err := scheme.Scheme.ObjectKinds(obj)
	if err != nil {
		t.Fatal(err)
	}
	out, err := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, gvk[0].GroupVersion()), obj)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestYAMLOfTheAPIServerIsRecognised(t *testing.T) {
	yes := true
	large := secret()
	large.Data["large"] = bytes.Repeat([]byte(canary), 40_000)
	for name, obj := range map[string]runtime.Object{
		"a Secret":                                secret(),
		"a Secret of one megabyte":                large,
		"one with a field before apiVersion":      &corev1.Event{Action: "Pulled", ObjectMeta: metav1.ObjectMeta{Name: "e"}},
		"another":                                 &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4},
		"a list and a flag before apiVersion":     &storagev1.StorageClass{AllowVolumeExpansion: &yes, AllowedTopologies: []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: "k", Values: []string{"a", "b"}}}}}},
		"a mapping before apiVersion, in a group": &rbacv1.ClusterRole{AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"apiVersion": "x"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			v := storedvalue.Parse(storedAsYAML(t, obj))
			if v.Format != storedvalue.YAML || !v.Format.Plaintext() || v.Encrypted() {
				t.Errorf("%v, plaintext %v, encrypted %v", v.Format, v.Format.Plaintext(), v.Encrypted())
			}
		})
	}
}

func TestEveryBuiltInTypeInYAMLIsRecognised(t *testing.T) {
	types := 0
	for gvk := range scheme.Scheme.AllKnownTypes() {
		obj, err := scheme.Scheme.New(gvk)
		if err != nil || gvk.Version == runtime.APIVersionInternal || gvk.Kind == "WatchEvent" {
			continue
		}
		types++
		if stored := storedAsYAML(t, obj); storedvalue.Parse(stored).Format != storedvalue.YAML {
			t.Errorf("%v: %.80q", gvk, stored)
		}
	}
	if types < 100 {
		t.Errorf("only %d types: the comparison proves little", types)
	}
}

func TestYAMLIsToldFromOtherText(t *testing.T) {
	tests := []struct {
		name, value string
		want        storedvalue.Format
	}{
		{"the shortest", "apiVersion: v1", storedvalue.YAML},
		{"a document's mark and a comment", "---\n# made by hand\nkind: Secret\n", storedvalue.YAML},
		{"quoted keys", "\"apiVersion\": v1\n", storedvalue.YAML},
		{"line ends of Windows", "apiVersion: v1\r\nkind: Secret\r\n", storedvalue.YAML},
		{"a key without its value", "data:\n  a: b\nkind:\n", storedvalue.YAML},
		{"a value that is not UTF-8", "data: \xff\xfe\napiVersion: v1\n", storedvalue.YAML},
		{"an indented kind is not the object's", "data:\n  kind: Secret\n", storedvalue.Unrecognised},
		{"a key that only begins so", "apiVersions: v1\n", storedvalue.Unrecognised},
		{"no space after the colon", "apiVersion:v1\n", storedvalue.Unrecognised},
		{"text", "a: b\nc: d\n", storedvalue.Unrecognised},
		{"binary before the line", "ab\x00\napiVersion: v1\n", storedvalue.Unrecognised},
		{"binary at the beginning of a line", "a: b\n\x00c\napiVersion: v1\n", storedvalue.Unrecognised},
		{"binary in the line", "apiVersion: \x01v1\n", storedvalue.Unrecognised},
		{"a first byte that begins no YAML", "\x7fELF\napiVersion: v1\n", storedvalue.Unrecognised},
		{"beyond the bound", strings.Repeat("a: b\n", 1000) + "apiVersion: v1\n", storedvalue.Unrecognised},
		{"a lone quote", "\": v1\n", storedvalue.Unrecognised},
		{"JSON", `{"apiVersion": "v1"}`, storedvalue.JSON},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v := storedvalue.Parse([]byte(tt.value)); v.Format != tt.want || !v.Format.Plaintext() {
				t.Errorf("got %v, want %v", v.Format, tt.want)
			}
		})
	}
	text := []byte(strings.Repeat("word: of text\n", 10_000))
	if n := testing.AllocsPerRun(100, func() { _ = storedvalue.Parse(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
