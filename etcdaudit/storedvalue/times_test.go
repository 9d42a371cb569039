package storedvalue_test

import (
	"bytes"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestTimesAreReadInAllEncodings(t *testing.T) {
	at := func(s int64) *metav1.Time { return &metav1.Time{Time: time.Unix(1_790_000_000+s, 999)} }
	fields := metav1.NewFieldsV1(`{"f:data":{"f:time":{}},"f:metadata":{"f:labels":{}}}`)
	secret := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "a", Namespace: "b", CreationTimestamp: *at(0), Finalizers: []string{"metadata"}, Annotations: map[string]string{"creationTimestamp": "2001-01-01T00:00:00Z", "time": "2101-01-01T00:00:00Z"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "x", Operation: "Update", APIVersion: "v1", Time: at(7), FieldsType: "FieldsV1", FieldsV1: fields}, {Manager: "y", Operation: "Update", APIVersion: "v1", Time: at(3), FieldsType: "FieldsV1", FieldsV1: fields}},
		},
		Data: map[string][]byte{"creationTimestamp": []byte("2001-01-01T00:00:00Z"), "time": []byte("2101-01-01T00:00:00Z")},
	}
	s := scheme.Scheme
	for name, to := range map[string]runtime.Encoder{
		"protobuf": protobuf.NewSerializer(s, s), "json": json.NewSerializerWithOptions(json.DefaultMetaFactory, s, s, json.SerializerOptions{}),
		"yaml": json.NewSerializerWithOptions(json.DefaultMetaFactory, s, s, json.SerializerOptions{Yaml: true}), "cbor": cbor.NewSerializer(s, s),
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			testkit.Check(t, to.Encode(secret, &b))
			want := storedvalue.Times{Created: at(0).Unix(), Changed: at(7).Unix()}
			if name == "cbor" {
				want.Changed = 0
			}
			if got := storedvalue.ReadTimes(b.Bytes()); got != want {
				t.Errorf("%v, want %v", got, want)
			}
			for cut := range b.Len() {
				if got := storedvalue.ReadTimes(b.Bytes()[:cut]); got.Created != 0 && got.Created != want.Created || got.Changed > want.Changed {
					t.Fatalf("cut to %d: %v", cut, got)
				}
			}
		})
	}
	lease := &coordinationv1.Lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: *at(0)},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: at(9).Time}, AcquireTime: &metav1.MicroTime{Time: at(2).Time}},
	}
	var b bytes.Buffer
	testkit.Check(t, protobuf.NewSerializer(s, s).Encode(lease, &b))
	if got := storedvalue.ReadRenewTime(b.Bytes()); got != at(9).Unix() {
		t.Errorf("renewed at %d", got)
	}
	if got := storedvalue.ReadTimes([]byte("k8s\x00")); got != (storedvalue.Times{}) {
		t.Errorf("nothing says %v", got)
	}
}
