package storedvalue_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	"k8s.io/apiserver/pkg/storage/value/encrypt/identity"
	"k8s.io/apiserver/pkg/storage/value/encrypt/secretbox"
	kmsservice "k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// The values here are written by the API server's own code. Only the prefixes
// are put in front by hand, as encryptionconfig/config.go does, because that
// package wants a running plugin.

const canary = "correct horse battery staple"

func secret() *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "db"},
		Data:       map[string][]byte{"password": []byte(canary)},
	}
}

func encode(t testing.TB, mediaType string) []byte {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	codecs := serializer.NewCodecFactory(scheme, serializer.WithSerializer(cbor.NewSerializerInfo))
	info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Fatalf("no serializer for %s", mediaType)
	}
	out, err := runtime.Encode(codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion), secret())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// written is what an API server stores for the secret with this transformer.
func written(t testing.TB, prefix string, transformer value.Transformer, plaintext []byte) []byte {
	t.Helper()
	prefixed := value.NewPrefixTransformers(nil, value.PrefixTransformer{Prefix: []byte(prefix), Transformer: transformer})
	out, err := prefixed.TransformToStorage(context.Background(), plaintext, value.DefaultContext("/registry/secrets/default/db"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type kmsV1Service struct{ wrapped []byte }

func (s kmsV1Service) Encrypt([]byte) ([]byte, error) { return s.wrapped, nil }
func (s kmsV1Service) Decrypt([]byte) ([]byte, error) { return nil, fmt.Errorf("not here") }

type kmsV2Service struct{ kmsservice.EncryptResponse }

func (s kmsV2Service) Encrypt(context.Context, string, []byte) (*kmsservice.EncryptResponse, error) {
	return &s.EncryptResponse, nil
}
func (s kmsV2Service) Decrypt(context.Context, string, *kmsservice.DecryptRequest) ([]byte, error) {
	return nil, fmt.Errorf("not here")
}
func (s kmsV2Service) Status(context.Context) (*kmsservice.StatusResponse, error) {
	return &kmsservice.StatusResponse{Healthz: "ok", KeyID: s.KeyID, Version: "v2"}, nil
}

func writtenKMSv2(t testing.TB, name string, seed bool, resp kmsservice.EncryptResponse, plaintext []byte) []byte {
	t.Helper()
	service := kmsV2Service{resp}
	transformer, object, cacheKey, err := kmsv2.GenerateTransformer(context.Background(), "uid", service, seed)
	if err != nil {
		t.Fatal(err)
	}
	state := func() (kmsv2.State, error) {
		return kmsv2.State{
			Transformer:                           transformer,
			EncryptedObjectKeyID:                  object.KeyID,
			EncryptedObjectEncryptedDEKSource:     object.EncryptedDEKSource,
			EncryptedObjectAnnotations:            object.Annotations,
			EncryptedObjectEncryptedDEKSourceType: object.EncryptedDEKSourceType,
			ExpirationTimestamp:                   time.Now().Add(time.Hour),
			CacheKey:                              cacheKey,
			KMSProviderName:                       name,
		}, nil
	}
	return written(t, "k8s:enc:kms:v2:"+name+":", kmsv2.NewEnvelopeTransformer(service, name, state, "id"), plaintext)
}

func writtenKMSv1(t testing.TB, name string, wrapped, plaintext []byte, cbc bool) []byte {
	t.Helper()
	base := func(block cipherBlock) (value.Transformer, error) {
		if cbc {
			return aestransformer.NewCBCTransformer(block), nil
		}
		return aestransformer.NewGCMTransformer(block)
	}
	return written(t, "k8s:enc:kms:v1:"+name+":", envelope.NewEnvelopeTransformer(kmsV1Service{wrapped}, 0, base), plaintext)
}

func localDEKSource() []byte {
	return append([]byte{1}, bytes.Repeat([]byte{0xaa}, 68)...)
}

func transitCiphertext(version string) []byte {
	return []byte("vault:" + version + ":" + strings.Repeat("A", 80))
}

func TestWhatTheAPIServerWritesIsRecognised(t *testing.T) {
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := aestransformer.NewGCMTransformer(block)
	if err != nil {
		t.Fatal(err)
	}
	protobuf := encode(t, runtime.ContentTypeProtobuf)

	type want struct {
		format    storedvalue.Format
		name      string
		keyID     string
		source    []byte
		sourceTyp storedvalue.DEKSourceType
		envelope  storedvalue.Envelope
		version   uint32
		cluster   string
		overhead  int // ciphertext minus plaintext; aescbc pads to a block
	}
	tests := []struct {
		name  string
		value []byte
		want  want
	}{
		{"identity as protobuf", written(t, "", identity.NewEncryptCheckTransformer(), protobuf), want{format: storedvalue.Protobuf}},
		{"identity as JSON", written(t, "", identity.NewEncryptCheckTransformer(), encode(t, runtime.ContentTypeJSON)), want{format: storedvalue.JSON}},
		{"identity as CBOR", written(t, "", identity.NewEncryptCheckTransformer(), encode(t, runtime.ContentTypeCBOR)), want{format: storedvalue.CBOR}},
		{"aescbc", written(t, "k8s:enc:aescbc:v1:key1:", aestransformer.NewCBCTransformer(block), protobuf),
			want{format: storedvalue.AESCBC, name: "key1", overhead: 16 + 16 - len(protobuf)%16}},
		{"aescbc with colons in its key's name", written(t, "k8s:enc:aescbc:v1:team:a:2026:", aestransformer.NewCBCTransformer(block), protobuf),
			want{format: storedvalue.AESCBC, name: "team:a:2026", overhead: 16 + 16 - len(protobuf)%16}},
		{"aesgcm", written(t, "k8s:enc:aesgcm:v1:key-2:", gcm, protobuf),
			want{format: storedvalue.AESGCM, name: "key-2", overhead: 12 + 16}},
		{"secretbox", written(t, "k8s:enc:secretbox:v1:k:", secretbox.NewSecretboxTransformer([32]byte{9}), protobuf),
			want{format: storedvalue.Secretbox, name: "k", overhead: 24 + 16}},
		{"kms v1", writtenKMSv1(t, "old", []byte("wrapped"), protobuf, false),
			want{format: storedvalue.KMSv1, name: "old", source: []byte("wrapped"), overhead: 28}},
		{"kms v1 written before 1.25 with AES-CBC", writtenKMSv1(t, "old", []byte("wrapped"), protobuf, true),
			want{format: storedvalue.KMSv1, name: "old", source: []byte("wrapped"), overhead: 16 + 16 - len(protobuf)%16}},
		{"kms v1 with colons in its name and in its data key", writtenKMSv1(t, "arn:aws:kms", transitCiphertext("v3"), protobuf, false),
			want{format: storedvalue.KMSv1, name: "arn:aws:kms", source: transitCiphertext("v3"), version: 3, envelope: storedvalue.EnvelopeTransit, overhead: 28}},
		{"kms v1 with a data key of more than 8 KiB", writtenKMSv1(t, "big", bytes.Repeat([]byte("w"), 9000), protobuf, false),
			want{format: storedvalue.KMSv1, name: "big", source: bytes.Repeat([]byte("w"), 9000), overhead: 28}},
		{"kms v2 with a seed", writtenKMSv2(t, "any", true, kmsservice.EncryptResponse{KeyID: "arn:1", Ciphertext: []byte("c")}, protobuf),
			want{format: storedvalue.KMSv2, name: "any", keyID: "arn:1", source: []byte("c"), sourceTyp: storedvalue.HKDFSeed, overhead: 60}},
		{"kms v2 with a key, as before seeds", writtenKMSv2(t, "any", false, kmsservice.EncryptResponse{KeyID: "1", Ciphertext: []byte("c")}, protobuf),
			want{format: storedvalue.KMSv2, name: "any", keyID: "1", source: []byte("c"), overhead: 28}},
		{"kms v2 from another plugin for Vault", writtenKMSv2(t, "vault", true, kmsservice.EncryptResponse{KeyID: "1", Ciphertext: transitCiphertext("v12")}, protobuf),
			want{format: storedvalue.KMSv2, name: "vault", keyID: "1", source: transitCiphertext("v12"), sourceTyp: storedvalue.HKDFSeed,
				envelope: storedvalue.EnvelopeTransit, version: 12, overhead: 60}},
		{"kms v2 from this project with a local KEK", writtenKMSv2(t, "sealproof", true, kmsservice.EncryptResponse{
			KeyID: "v2.00112233445566778899aabbccddeeff", Ciphertext: localDEKSource(),
			Annotations: map[string][]byte{"cluster.sealproof": []byte("prod"), "kek.sealproof": transitCiphertext("v2")}}, protobuf),
			want{format: storedvalue.KMSv2, name: "sealproof", keyID: "v2.00112233445566778899aabbccddeeff", source: localDEKSource(), sourceTyp: storedvalue.HKDFSeed,
				envelope: storedvalue.EnvelopeSealproofLocal, version: 2, cluster: "prod", overhead: 60}},
		{"kms v2 from this project wrapped by Vault", writtenKMSv2(t, "sealproof", true, kmsservice.EncryptResponse{
			KeyID: "v7.00112233445566778899aabbccddeeff", Ciphertext: transitCiphertext("v7"),
			Annotations: map[string][]byte{"cluster.sealproof": []byte("prod")}}, protobuf),
			want{format: storedvalue.KMSv2, name: "sealproof", keyID: "v7.00112233445566778899aabbccddeeff", source: transitCiphertext("v7"), sourceTyp: storedvalue.HKDFSeed,
				envelope: storedvalue.EnvelopeSealproofVault, version: 7, cluster: "prod", overhead: 60}},
		{"kms v2 with annotations of another plugin", writtenKMSv2(t, "azure", true, kmsservice.EncryptResponse{
			KeyID: "k", Ciphertext: []byte("c"), Annotations: map[string][]byte{"version.azure.akv.io": []byte("1")}}, protobuf),
			want{format: storedvalue.KMSv2, name: "azure", keyID: "k", source: []byte("c"), sourceTyp: storedvalue.HKDFSeed, overhead: 60}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := storedvalue.Parse(tt.value)
			if v.Format != tt.want.format || v.Problem != storedvalue.NoProblem {
				t.Fatalf("got %v, %v; want %v", v.Format, v.Problem, tt.want.format)
			}
			if plain := bytes.Contains(tt.value, []byte("default")); v.Format.Plaintext() != plain || v.Encrypted() == plain {
				t.Errorf("Plaintext() = %v, Encrypted() = %v for a value whose object is readable: %v", v.Format.Plaintext(), v.Encrypted(), plain)
			}
			if string(v.Name) != tt.want.name || string(v.KeyID) != tt.want.keyID || v.DEKSourceType != tt.want.sourceTyp {
				t.Errorf("name %q, key id %q, source type %d; want %q, %q, %d", v.Name, v.KeyID, v.DEKSourceType, tt.want.name, tt.want.keyID, tt.want.sourceTyp)
			}
			if !bytes.Equal(v.DEKSource, tt.want.source) {
				t.Errorf("DEK source has %d bytes, want the %d that were written", len(v.DEKSource), len(tt.want.source))
			}
			if version, ok := v.VaultKeyVersion(); version != tt.want.version || ok != (version > 0) {
				t.Errorf("Vault key version %d, %v; want %d", version, ok, tt.want.version)
			}
			if v.Envelope() != tt.want.envelope {
				t.Errorf("envelope %v, want %v", v.Envelope(), tt.want.envelope)
			}
			if cluster, _ := v.Cluster(); string(cluster) != tt.want.cluster {
				t.Errorf("cluster %q, want %q", cluster, tt.want.cluster)
			}
			if v.Encrypted() && len(v.Ciphertext) != len(protobuf)+tt.want.overhead {
				t.Errorf("ciphertext has %d bytes, want %d", len(v.Ciphertext), len(protobuf)+tt.want.overhead)
			}
			for field, view := range views(v) {
				if !within(tt.value, view) {
					t.Errorf("%s is a copy, not a view", field)
				}
			}
		})
	}
}

func TestEmptyObjectsMakeTheSmallestCiphertexts(t *testing.T) {
	// The minimum lengths must not refuse the shortest thing the API server
	// can write.
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := aestransformer.NewGCMTransformer(block)
	if err != nil {
		t.Fatal(err)
	}
	resp := kmsservice.EncryptResponse{KeyID: "k", Ciphertext: []byte("c")}
	for name, stored := range map[string][]byte{
		"aescbc":        written(t, "k8s:enc:aescbc:v1:k:", aestransformer.NewCBCTransformer(block), nil),
		"aesgcm":        written(t, "k8s:enc:aesgcm:v1:k:", gcm, nil),
		"secretbox":     written(t, "k8s:enc:secretbox:v1:k:", secretbox.NewSecretboxTransformer([32]byte{}), nil),
		"kms v1 (gcm)":  writtenKMSv1(t, "k", []byte("w"), nil, false),
		"kms v1 (cbc)":  writtenKMSv1(t, "k", []byte("w"), nil, true),
		"kms v2 (key)":  writtenKMSv2(t, "k", false, resp, nil),
		"kms v2 (seed)": writtenKMSv2(t, "k", true, resp, nil),
	} {
		v := storedvalue.Parse(stored)
		if !v.Encrypted() {
			t.Errorf("%s of an empty object: %v, %v", name, v.Format, v.Problem)
		}
		if strings.HasSuffix(name, "(cbc)") {
			continue // shorter than the shortest GCM ciphertext only by less than a block: see parseKMSv1
		}
		if v := storedvalue.Parse(shorten(stored, v.Ciphertext)); v.Problem == storedvalue.NoProblem {
			t.Errorf("%s: one byte less than the minimum was accepted", name)
		}
	}
}

// shorten takes one byte from the end of the ciphertext. In a KMS v2 value the
// ciphertext is the first field: its length is the byte before it.
func shorten(stored, ciphertext []byte) []byte {
	at := bytes.Index(stored, ciphertext)
	out := bytes.Clone(stored[:at+len(ciphertext)-1])
	out = append(out, stored[at+len(ciphertext):]...)
	if bytes.HasPrefix(stored, []byte("k8s:enc:kms:v2:")) {
		out[at-1]--
	}
	return out
}

func TestKMSv1LengthIsWhatTheAPIServerReads(t *testing.T) {
	// The length prefix is read by the same library call that wrote it.
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("0123456789")) })
	b.AddBytes(make([]byte, 28))
	v := storedvalue.Parse(append([]byte("k8s:enc:kms:v1:p:"), b.BytesOrPanic()...))
	if string(v.DEKSource) != "0123456789" || len(v.Ciphertext) != 28 || !v.Encrypted() {
		t.Errorf("got source %q, %d bytes of ciphertext, %v", v.DEKSource, len(v.Ciphertext), v.Problem)
	}
}

// The plugin's own test vectors, as docs/formats.md points to them.
func TestThePluginsOwnVectorsAreRecognised(t *testing.T) {
	raw, err := os.ReadFile("../../kmsplugin/envelope/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Version    uint32
		Cluster    string
		KeyID      string `json:"key_id"`
		Wrapped    string
		Ciphertext string
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, vector := range vectors {
		source, err := hex.DecodeString(vector.Ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		stored := writtenKMSv2(t, "sealproof", true, kmsservice.EncryptResponse{
			KeyID: vector.KeyID, Ciphertext: source,
			Annotations: map[string][]byte{"cluster.sealproof": []byte(vector.Cluster), "kek.sealproof": []byte(vector.Wrapped)},
		}, []byte("x"))
		v := storedvalue.Parse(stored)
		version, _ := v.VaultKeyVersion()
		cluster, _ := v.Cluster()
		if v.Envelope() != storedvalue.EnvelopeSealproofLocal || version != vector.Version || string(cluster) != vector.Cluster || string(v.KeyID) != vector.KeyID {
			t.Errorf("%s: %v, version %d, cluster %s", v.KeyID, v.Envelope(), version, cluster)
		}
	}
}
