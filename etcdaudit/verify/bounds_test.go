package verify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
)

// heap is what is held, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// one opens every source to the same seed.
type one struct{}

func (one) Unwrap(context.Context, verify.Source) ([]byte, error) { return make([]byte, 32), nil }

// A KMS v2 value can have 32 KiB of annotations, and another source than all others.
func TestAnOpenerKeepsLittleOfLargeSources(t *testing.T) {
	p := newPlugin(t, 1, "k1", nil)
	etcdKey := keyOf("default", "db")
	stored := write(t, p.apiServer(t, true), etcdKey, secret(t, "default", "db"))
	filler := []byte(strings.Repeat("x", 30_000))
	o := verify.New(verify.Config{Sources: verify.NewSources(one{})})
	before := heap()
	for i := range 1000 {
		o.Open(t.Context(), []byte(etcdKey), change(t, stored, func(o *kmstypes.EncryptedObject) {
			o.EncryptedDEKSource, o.Annotations = fmt.Appendf(nil, "source %d", i), map[string][]byte{"a.example": filler}
		}))
	}
	if held := heap() - before; held > 8<<20 {
		t.Errorf("%d MiB are held", held>>20)
	}
	runtime.KeepAlive(o)
}

// etcd takes keys of more than a MiB, and an object can say any name of itself.
func TestATallyKeepsLittleOfLargeKeys(t *testing.T) {
	tally, before := verify.NewTally(), heap()
	for i := range 200 {
		key := []byte(fmt.Sprintf("/registry/secrets/default/%d-", i) + strings.Repeat("x", 1<<20))
		tally.Add(record.Record{Key: key, ModRevision: 1}, verify.Result{Outcome: verify.Moved, From: string(key)})
		tally.Add(record.Record{Key: key, ModRevision: 2}, verify.Result{Outcome: verify.Opened, Custom: verify.Kind{Path: fmt.Sprint(i), Name: "Widget"}})
	}
	if held := heap() - before; held > 64<<20 {
		t.Errorf("%d MiB are held", held>>20)
	}
	if tally.Undecryptable() != 200 || len(tally.Findings()) == 0 {
		t.Errorf("%d, of which %d are listed", tally.Undecryptable(), len(tally.Findings()))
	}
}

func TestOfADefinitionNoLongNamesAreKept(t *testing.T) {
	o, _ := opener(t, nil)
	for _, n := range []int{10, 100_000} {
		object, err := json.Marshal(map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "widgets.example.com"},
			"spec": map[string]any{"group": "example.com", "names": map[string]any{"plural": "widgets", "kind": strings.Repeat("W", n)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := open(t, o, "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", object)
		if r.Outcome != verify.Opened || len(r.Defines.Name) != n%100_000 {
			t.Errorf("a kind of %d bytes is kept with %d: %v", n, len(r.Defines.Name), r.Outcome)
		}
	}
}
