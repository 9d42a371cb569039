package storedvalue_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
	kmsservice "k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// FuzzParse looks for panics, hangs, copies and contradictions on any input.
func FuzzParse(f *testing.F) {
	f.Add(encode(f, runtime.ContentTypeProtobuf))
	f.Add(encode(f, runtime.ContentTypeCBOR))
	f.Add([]byte("k8s:enc:aescbc:v1:k:" + strings.Repeat("x", 32)))
	f.Add([]byte("k8s:enc:kms:v1:a:b:\x00\x04abcd" + strings.Repeat("x", 28)))
	f.Add([]byte(sound().annotation("a.b", "v").value()))
	f.Add(append([]byte("k8s:enc:aesgcm:v1:k:"), encode(f, runtime.ContentTypeJSON)...))
	f.Fuzz(func(t *testing.T, stored []byte) {
		before := bytes.Clone(stored)
		v := storedvalue.Parse(stored)
		for field, view := range views(v) {
			if !within(stored, view) {
				t.Errorf("%s is not a view of the value", field)
			}
		}
		_, _ = v.VaultKeyVersion()
		_ = v.Envelope()
		if !bytes.Equal(before, stored) {
			t.Error("the value was changed")
		}
		if reserved := bytes.HasPrefix(stored, []byte("k8s:enc:")); v.Format.Plaintext() == reserved && (!reserved || v.Problem != storedvalue.ObjectReadable) {
			t.Errorf("plaintext is %v although the reserved prefix is there: %v", v.Format.Plaintext(), reserved)
		}
		if v.Encrypted() && (len(v.Name) == 0 || len(v.Ciphertext) < 28) {
			t.Errorf("encrypted with a name of %d bytes and a ciphertext of %d", len(v.Name), len(v.Ciphertext))
		}
	})
}

// FuzzKMSv2AgainstTheAPIServer compares with the API server's own decoder and
// validator: whatever it accepts is accepted here with the same fields, except
// for ciphertexts that are too short to be opened; whatever it refuses is
// refused.
func FuzzKMSv2AgainstTheAPIServer(f *testing.F) {
	const prefix = "k8s:enc:kms:v2:p:"
	f.Add([]byte(sound()))
	f.Add([]byte(sound().annotation("cluster.sealproof", "c").annotation("kek.sealproof", "vault:v1:x")))
	f.Add([]byte(sound().varint(5, 0)))
	f.Add([]byte(sound().bytes(4, "").varint(5, 1<<40)))
	f.Add([]byte(sound().annotation("a.b.", "x").annotation("a.b.", "")))
	f.Add([]byte(append(sound(), 0x3b, 0x3c))) // an unknown group
	f.Add([]byte(strings.TrimPrefix(string(writtenKMSv2(f, "p", true, kmsservice.EncryptResponse{KeyID: "k", Ciphertext: []byte("c"), Annotations: map[string][]byte{"a.b": {1}}}, []byte("x"))), prefix)))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		var upstream kmstypes.EncryptedObject
		err := proto.Unmarshal(encoded, &upstream)
		if err == nil {
			err = kmsv2.ValidateEncryptedObject(&upstream)
		}
		v := storedvalue.Parse(append([]byte(prefix), encoded...))
		if v.Problem == storedvalue.ObjectReadable {
			return // the API server takes it for ciphertext
		}
		if err != nil {
			if v.Problem == storedvalue.NoProblem {
				t.Fatalf("accepted what the API server refuses: %v", err)
			}
			return
		}
		shortest := 28
		if upstream.EncryptedDEKSourceType == kmstypes.EncryptedDEKSourceType_HKDF_SHA256_XNONCE_AES_GCM_SEED {
			shortest = 60
		}
		if len(upstream.EncryptedData) < shortest {
			if v.Problem != storedvalue.CiphertextShort {
				t.Fatalf("a ciphertext of %d bytes: %v", len(upstream.EncryptedData), v.Problem)
			}
			return
		}
		if v.Problem != storedvalue.NoProblem {
			t.Fatalf("refused what the API server accepts: %v", v.Problem)
		}
		if !bytes.Equal(v.Ciphertext, upstream.EncryptedData) || string(v.KeyID) != upstream.KeyID ||
			!bytes.Equal(v.DEKSource, upstream.EncryptedDEKSource) || int32(v.DEKSourceType) != int32(upstream.EncryptedDEKSourceType) {
			t.Fatal("other fields than the API server reads")
		}
		annotations := map[string][]byte{}
		for key, value := range v.Annotations() {
			annotations[string(key)] = value
		}
		if len(annotations) != len(upstream.Annotations) {
			t.Fatalf("%d annotations, the API server reads %d", len(annotations), len(upstream.Annotations))
		}
		for key, value := range upstream.Annotations {
			if !bytes.Equal(annotations[key], value) {
				t.Fatalf("annotation %q differs", key)
			}
		}
	})
}

// FuzzParseKey looks for panics and for parts that are not in the key.
func FuzzParseKey(f *testing.F) {
	f.Add([]byte("/registry/secrets/default/db"))
	f.Add([]byte("/registry/services/specs/a/b"))
	f.Add([]byte("/registry/a.b/c/d/e"))
	f.Fuzz(func(t *testing.T, key []byte) {
		k, ok := storedvalue.ParseKey("/registry", key)
		if !ok {
			return
		}
		joined := "/registry/" + string(k.Path) + "/"
		if len(k.Namespace) > 0 {
			joined += string(k.Namespace) + "/"
		}
		// An empty namespace can also stand for two slashes in a row.
		if got := joined + string(k.Name); got != string(key) && len(k.Namespace) > 0 {
			t.Errorf("%q was taken apart into %q", key, got)
		}
		_ = k.Resource()
	})
}
