package atrest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
)

// size is that of a Secret's data in bytes: with metadata and framing a value has about 1 KiB.
const size = 680

// The names of Secrets all have the same length, so that a template has room for them.
const (
	someNamespace = "ns-00"
	someName      = "secret-0000000"
)

// values makes what is stored under keys. It is used by one goroutine.
type values struct {
	n, sources int
	random     *rand.ChaCha8
	templates  []template
	sealed     []byte
	text       [size]byte
}

// template is one Secret in one encoding, with the places of what differs.
type template struct {
	bytes                 []byte
	namespace, name, data int
}

func newValues(n, sources int) *values {
	v := &values{n: n, sources: sources, random: seeded(uint64(n))} //nolint:gosec // not negative
	marker := bytes.Repeat([]byte("#"), size)
	secret := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: someNamespace, Name: someName, UID: "00000000-0000-0000-0000-000000000000", CreationTimestamp: metav1.NewTime(time.Unix(1_800_000_000, 0)),
		},
		Data: map[string][]byte{"password": marker}, Type: corev1.SecretTypeOpaque,
	}
	scheme := runtime.NewScheme()
	_ = corev1.AddToScheme(scheme) // types that do not contradict each other
	for _, encoder := range []runtime.Encoder{
		protobuf.NewSerializer(scheme, scheme),
		json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{}),
		json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true}),
		cbor.NewSerializer(scheme, scheme),
	} {
		var out bytes.Buffer
		if err := encoder.Encode(secret, &out); err != nil {
			panic(fmt.Sprintf("encode a Secret: %v", err)) // it is always the same one
		}
		t := template{
			bytes:     out.Bytes(),
			namespace: bytes.Index(out.Bytes(), []byte(someNamespace)), name: bytes.Index(out.Bytes(), []byte(someName)),
			data: bytes.Index(out.Bytes(), marker),
		}
		if t.data < 0 {
			t.data = bytes.Index(out.Bytes(), []byte(base64.StdEncoding.EncodeToString(marker)))
		}
		v.templates = append(v.templates, t)
	}
	return v
}

func (v *values) names(i int) (namespace, name string) {
	return fmt.Sprintf("ns-%02d", i%100), fmt.Sprintf("secret-%07d", i)
}

func (v *values) key(i int) string {
	namespace, name := v.names(i)
	return "/registry/secrets/" + namespace + "/" + name
}

// plaintext is Secret i, in one of the four encodings.
func (v *values) plaintext(i int) []byte { return v.fill(i, v.templates[i%len(v.templates)]) }

func (v *values) fill(i int, t template) []byte {
	value := bytes.Clone(t.bytes)
	namespace, name := v.names(i)
	copy(value[t.namespace:], namespace)
	copy(value[t.name:], name)
	// What base64 can be is also valid as bytes.
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	_, _ = v.random.Read(v.text[:]) // never fails
	for j, c := range &v.text {
		value[t.data+j] = letters[c%64]
	}
	return value
}

// encrypted is Secret i as a KMS v2 provider stores it.
func (v *values) encrypted(i int) []byte {
	if v.sources > 0 {
		return v.seal(i)
	}
	if v.sealed == nil {
		object, err := proto.Marshal(&kmstypes.EncryptedObject{
			EncryptedData: bytes.Repeat([]byte("#"), size+200), KeyID: "vault-1-0123456789abcdef", EncryptedDEKSource: bytes.Repeat([]byte("d"), 100),
			EncryptedDEKSourceType: kmstypes.EncryptedDEKSourceType_HKDF_SHA256_XNONCE_AES_GCM_SEED,
		})
		if err != nil {
			panic(fmt.Sprintf("encode an encrypted object: %v", err)) // it is always the same one
		}
		v.sealed = append([]byte("k8s:enc:kms:v2:sealproof:"), object...)
	}
	value := bytes.Clone(v.sealed)
	at := bytes.IndexByte(value, '#')
	_, _ = v.random.Read(value[at : at+size+200]) // never fails
	return value
}

// SeedOf is what stands for a KMS plugin: the seed inside a DEK source.
func SeedOf(source []byte) []byte {
	sum := sha256.Sum256(source)
	return sum[:]
}

// seal is Secret i as an API server encrypts it, with one of several seeds.
func (v *values) seal(i int) []byte {
	source := bytes.Repeat([]byte("d"), 100)
	copy(source, fmt.Sprintf("%d ", i%v.sources))
	info := make([]byte, 32+12)
	_, _ = v.random.Read(info) // never fails
	key, err := hkdf.Expand(sha256.New, SeedOf(source), string(info[:32]), 32)
	if err != nil {
		panic(fmt.Sprintf("derive a key: %v", err)) // its length is right
	}
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	object, err := proto.Marshal(&kmstypes.EncryptedObject{
		EncryptedData: aead.Seal(info, info[32:], v.fill(i, v.templates[0]), []byte(v.key(i))), KeyID: "vault-1-0123456789abcdef", EncryptedDEKSource: source,
		EncryptedDEKSourceType: kmstypes.EncryptedDEKSourceType_HKDF_SHA256_XNONCE_AES_GCM_SEED,
	})
	if err != nil {
		panic(fmt.Sprintf("encode an encrypted object: %v", err))
	}
	return append([]byte("k8s:enc:kms:v2:sealproof:"), object...)
}

// large is an encrypted Secret of 300 KiB.
func (v *values) large() []byte {
	value := append([]byte("k8s:enc:secretbox:v1:key1:"), make([]byte, 300<<10)...)
	_, _ = v.random.Read(value[26:]) // never fails
	return value
}
