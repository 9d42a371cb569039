package carve_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// What is searched here is encoded by apimachinery's serializers and framed by
// etcd's messages.

// canary is in the data of every Secret, and may be in no hit.
const canary = "correct horse battery staple"

var mediaTypes = map[storedvalue.Format]string{
	storedvalue.Protobuf: runtime.ContentTypeProtobuf,
	storedvalue.JSON:     runtime.ContentTypeJSON,
	storedvalue.YAML:     runtime.ContentTypeYAML,
	storedvalue.CBOR:     runtime.ContentTypeCBOR,
}

var formats = []storedvalue.Format{storedvalue.Protobuf, storedvalue.JSON, storedvalue.YAML, storedvalue.CBOR}

// codecs are those of the API server, and CBOR, in which none stores Secrets yet.
var codecs = serializer.NewCodecFactory(scheme.Scheme, serializer.WithSerializer(cbor.NewSerializerInfo))

func encode(t testing.TB, f storedvalue.Format, obj runtime.Object) []byte {
	t.Helper()
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaTypes[f])
	if !ok {
		t.Fatalf("no serializer for %s", f)
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

func secret(namespace, name string, size int) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data:       map[string][]byte{"password": bytes.Repeat([]byte(canary), 1+size/len(canary))},
		Type:       corev1.SecretTypeOpaque,
	}
}

func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: data}
}

// keyValue is what a database file has of a key and its value.
func keyValue(t testing.TB, key string, value []byte, create, mod, version int64) []byte {
	t.Helper()
	return marshal(t, &mvccpb.KeyValue{Key: []byte(key), CreateRevision: create, ModRevision: mod, Version: version, Value: value})
}

// written is what a write-ahead log has of the transaction in which an API server
// updates an object.
func written(t testing.TB, key string, value []byte) []byte {
	t.Helper()
	return marshal(t, &etcdserverpb.InternalRaftRequest{
		Header: &etcdserverpb.RequestHeader{ID: 7},
		Txn: &etcdserverpb.TxnRequest{
			Compare: []*etcdserverpb.Compare{{
				Target: etcdserverpb.Compare_MOD, Key: []byte(key),
				TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: 41},
			}},
			Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestPut{
				RequestPut: &etcdserverpb.PutRequest{Key: []byte(key), Value: value},
			}}},
			Failure: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestRange{
				RequestRange: &etcdserverpb.RangeRequest{Key: []byte(key)},
			}}},
		},
	})
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	out, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// found is a hit whose slices are kept as text.
type found struct {
	Resource, Key, Namespace, Name string
	Format                         storedvalue.Format
	Offset, Length                 int64
	Cut                            bool
	Create, Mod, Version           int64
	Embedded                       bool
	EmbeddedIn                     string
	End                            bool
}

func keep(h carve.Hit) found {
	return found{
		h.Resource.Path, string(h.Key), string(h.Namespace), string(h.Name), h.Format, h.Offset, h.Length, h.Cut,
		h.CreateRevision, h.ModRevision, h.Version, h.Embedded, string(h.EmbeddedIn), h.End,
	}
}

// search returns what is found in an extent of data, and fails where a hit shows
// data.
func search(t testing.TB, s *carve.Searcher, data []byte, from, to int64) (hits []found) {
	t.Helper()
	err := s.Search(context.Background(), bytes.NewReader(data), from, to, func(h carve.Hit) error {
		hits = append(hits, keep(h))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(hits); strings.Contains(text, canary) || strings.Contains(text, "Y29ycmVjdCBob3JzZSBi") {
		t.Errorf("a hit shows data: %s", text)
	}
	return hits
}

func searchAll(t testing.TB, data []byte) []found {
	t.Helper()
	return search(t, carve.New(carve.Options{}), data, 0, int64(len(data)))
}

// marshalRead is a transaction that compares and reads a key.
func marshalRead(t testing.TB) []byte {
	t.Helper()
	get := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{
		RequestRange: &etcdserverpb.RangeRequest{Key: []byte("/registry/secrets/"), RangeEnd: []byte("/registry/secrets0"), Limit: 500},
	}}
	return marshal(t, &etcdserverpb.InternalRaftRequest{Txn: &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{Target: etcdserverpb.Compare_VALUE, Key: []byte("/registry/secrets/default/db"), TargetUnion: &etcdserverpb.Compare_Value{Value: []byte("{}")}}},
		Success: []*etcdserverpb.RequestOp{get}, Failure: []*etcdserverpb.RequestOp{get},
	}})
}

// marshalDelete deletes a key, and a range of keys.
func marshalDelete(t testing.TB) []byte {
	t.Helper()
	return marshal(t, &etcdserverpb.InternalRaftRequest{
		DeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte("/registry/secrets/"), RangeEnd: []byte("/registry/secrets0"), PrevKv: true},
		Txn: &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte("/registry/secrets/default/db")},
		}}}},
	})
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}
