package residue_test

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// What is put into etcd directly: what no API server writes, and what an auditor must not take
// for a Secret.

func (s *scenario) scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	testkit.Check(s.t, corev1.AddToScheme(scheme))
	return scheme
}

func (s *scenario) encode(e runtime.Encoder, object runtime.Object) []byte {
	var out bytes.Buffer
	testkit.Check(s.t, e.Encode(object, &out))
	return out.Bytes()
}

func (s *scenario) put(key, kind string, data []byte, canaries ...[]byte) {
	testkit.Must(s.etcd.Client().Put(s.ctx, key, string(data)))(s.t)
	testkit.Check(s.t, s.note(key, kind, canaries...))
}

const cborNamespace = "residue-cbor"

// plantCBOR writes Secrets as apimachinery encodes them in CBOR. No API server stores them so
// yet.
func (s *scenario) plantCBOR() {
	scheme := s.scheme()
	encoder := cbor.NewSerializer(scheme, scheme)
	for _, p := range s.plants(cborNamespace, "cbor") {
		p.secret.UID, p.secret.CreationTimestamp = types.UID(fmt.Sprintf("%x", filled(16))), metav1.Now()
		p.secret.Type = corev1.SecretTypeOpaque
		key := cluster.SecretKey(cborNamespace, p.secret.Name)
		s.put(key, "Secret", s.encode(encoder, p.secret), p.canaries...)
		if p.short {
			testkit.Must(s.etcd.Client().Delete(s.ctx, key))(s.t)
		}
	}
}

// removeDirectly encrypts what an API server could not read, as it would have done it, and
// deletes half of the negative corpus.
func (s *scenario) removeDirectly() {
	scheme := s.scheme()
	encoder := protobuf.NewSerializer(scheme, scheme)
	encrypt := aestransformer.NewCBCTransformer(testkit.Must(aes.NewCipher([]byte(stored.KeyBytes)))(s.t))
	deleted := true
	for _, w := range s.ledger.Writes() {
		switch {
		case w.Kind != "Secret":
			if deleted = !deleted; deleted {
				testkit.Must(s.etcd.Client().Delete(s.ctx, w.Key))(s.t)
			}
		case w.Kind == "Secret" && w.Namespace == cborNamespace:
			now := testkit.Must(s.etcd.Client().Get(s.ctx, w.Key))(s.t)
			if len(now.Kvs) == 0 {
				continue
			}
			secret := newSecret(cborNamespace, w.Name, "password", filled(len(w.Value)))
			sealed := testkit.Must(encrypt.TransformToStorage(s.ctx, s.encode(encoder, secret), value.DefaultContext(w.Key)))(s.t)
			testkit.Must(s.etcd.Client().Put(s.ctx, w.Key, "k8s:enc:aescbc:v1:key1:"+string(sealed)))(s.t)
		}
	}
}

// serialized are Secrets as texts and bytes that other objects can hold.
type serialized struct {
	name     string
	data     []byte
	canaries [][]byte
}

func (s *scenario) serialized() (all []serialized) {
	scheme := s.scheme()
	add := func(name string, encode func(secret *corev1.Secret) []byte) {
		first, last := s.ledger.Canary(), s.ledger.Canary()
		secret := newSecret("elsewhere", "inner-"+name, "password", append(append(first, filled(300)...), last...))
		all = append(all, serialized{name, encode(secret), [][]byte{first, last}})
	}
	add("protobuf", func(secret *corev1.Secret) []byte { return s.encode(protobuf.NewSerializer(scheme, scheme), secret) })
	add("cbor", func(secret *corev1.Secret) []byte { return s.encode(cbor.NewSerializer(scheme, scheme), secret) })
	// As text the inner data is base64 already: the canaries are looked for as plain text, so
	// they are in stringData.
	text := func(secret *corev1.Secret) *corev1.Secret {
		data := secret.Data["password"]
		secret.StringData = map[string]string{"password": string(data[:24]) + strings.Repeat("x", 100) + string(data[len(data)-24:])}
		secret.Data = nil
		return secret
	}
	add("json", func(secret *corev1.Secret) []byte { return testkit.Must(json.Marshal(text(secret)))(s.t) })
	add("yaml", func(secret *corev1.Secret) []byte { return testkit.Must(yaml.Marshal(text(secret)))(s.t) })
	return all
}

// plantNegatives puts what is no Secret, or holds one.
func (s *scenario) plantNegatives() {
	scheme := s.scheme()
	const namespace = "residue-negative"
	configMap := func(name string) *corev1.ConfigMap {
		return &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "00000000-0000-0000-0000-000000000000", CreationTimestamp: metav1.NewTime(time.Unix(1_800_000_000, 0))},
		}
	}
	for round := range 4 {
		for _, inner := range s.serialized() {
			key, object := fmt.Sprintf("/registry/configmaps/%s/%s-%d", namespace, inner.name, round), configMap(fmt.Sprintf("%s-%d", inner.name, round))
			if inner.name == "json" || inner.name == "yaml" {
				object.Data = map[string]string{"manifest": string(inner.data)}
			} else {
				object.BinaryData = map[string][]byte{"manifest": inner.data}
			}
			s.put(key, "ConfigMap", s.encode(protobuf.NewSerializer(scheme, scheme), object), inner.canaries...)
		}
		for _, inner := range s.serialized() {
			if inner.name != "json" && inner.name != "yaml" {
				continue
			}
			name := fmt.Sprintf("%s-%d", inner.name, round)
			custom := map[string]any{
				"apiVersion": "example.com/v1", "kind": "Backup", "spec": map[string]any{"manifest": string(inner.data)},
				"metadata": map[string]any{"name": name, "namespace": namespace},
			}
			s.put("/registry/example.com/backups/"+namespace+"/"+name, "Backup", testkit.Must(json.Marshal(custom))(s.t), inner.canaries...)
		}
	}
	// Nothing of these may be taken for a Secret, so they have no canary.
	for i := range 8 {
		direct := func(name string, data []byte) {
			testkit.Must(s.etcd.Client().Put(s.ctx, fmt.Sprintf("/registry/example.com/others/%s/%s-%d", namespace, name, i), string(data)))(s.t)
		}
		direct("random", filled(20_000*(i+1)))
		direct("ciphertext", append([]byte("k8s:enc:secretbox:v1:key1:"), filled(3000)...))
		direct("words", []byte("kind: Secret, apiVersion: v1, /registry/secrets/default/x "+base64.StdEncoding.EncodeToString(filled(2000))))
	}
}
