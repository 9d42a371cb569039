package carve_test

import (
	"bytes"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
)

// Each is searched for among all others, of which many have names that begin alike.
func TestEveryBuiltInResourceIsFoundByItsKind(t *testing.T) {
	var resources []carve.Resource
	for _, r := range apiresource.BuiltIn() {
		resources = append(resources, carve.Resource{Path: r.Path, Group: r.Group, Kind: r.Kind})
	}
	s := carve.New(carve.Options{Resources: resources})
	tried := 0
	for _, r := range resources {
		obj := newObject(t, r)
		if obj == nil {
			continue // the aggregator's
		}
		for _, f := range formats {
			tried++
			value := encode(t, f, obj)
			data := bytes.Join([][]byte{garbage(7, 100), value, make([]byte, 300)}, nil)
			from := int64(100)
			if f == storedvalue.YAML { // fields that come before apiVersion are not looked for
				from += int64(bytes.Index(value, []byte("apiVersion:")))
			}
			hits := search(t, s, data, 0, int64(len(data)))
			if len(hits) != 1 || hits[0].Resource != r.Path || hits[0].Name != "one" || hits[0].Offset != from {
				t.Errorf("%s in %s: %+v", r.Kind, f, hits)
			}
			// The kind can lie at the end of what is read at a time.
			for at := range len(value) {
				small := carve.New(carve.Options{Resources: resources}).Limit(100+at, 1<<20)
				if hits := search(t, small, data, 0, int64(len(data))); len(hits) != 1 || hits[0].Resource != r.Path {
					t.Fatalf("%s in %s, %d bytes at a time: %+v", r.Kind, f, 100+at, hits)
				}
				if r.Kind != "Service" && r.Kind != "ServiceAccount" {
					break
				}
			}
		}
	}
	if tried < 60*len(formats) {
		t.Errorf("%d objects only", tried)
	}
}

// newObject makes an object of a resource; nil where client-go does not know it.
func newObject(t *testing.T, r carve.Resource) runtime.Object {
	t.Helper()
	versions := scheme.Scheme.VersionsForGroupKind(schema.GroupKind{Group: r.Group, Kind: r.Kind})
	if len(versions) == 0 {
		return nil
	}
	obj, err := scheme.Scheme.New(versions[0].WithKind(r.Kind))
	if err != nil {
		t.Fatal(err)
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", r.Kind, err))
	}
	m.SetName("one")
	m.SetNamespace("shop")
	return obj
}
