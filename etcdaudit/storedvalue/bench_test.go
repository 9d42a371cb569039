package storedvalue_test

import (
	"bytes"
	"testing"

	kmsservice "k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

func BenchmarkParse(b *testing.B) {
	object := bytes.Repeat([]byte("x"), 1024)
	for _, bm := range []struct {
		name  string
		value []byte
	}{
		{"kmsv2-sealproof-local-1KiB", writtenKMSv2(b, "sealproof", true, kmsservice.EncryptResponse{
			KeyID: "v2.00112233445566778899aabbccddeeff", Ciphertext: localDEKSource(),
			Annotations: map[string][]byte{"cluster.sealproof": []byte("prod"), "kek.sealproof": transitCiphertext("v2")},
		}, object)},
		{"kmsv2-other-1KiB", writtenKMSv2(b, "p", true, kmsservice.EncryptResponse{KeyID: "k", Ciphertext: []byte("c")}, object)},
		{"kmsv1-1KiB", writtenKMSv1(b, "p", transitCiphertext("v2"), object, false)},
		{"protobuf-1KiB", append([]byte("k8s\x00"), object...)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.value)))
			b.ReportAllocs()
			for b.Loop() {
				v := storedvalue.Parse(bm.value)
				_, _ = v.VaultKeyVersion()
				_ = v.Envelope()
			}
		})
	}
}

func BenchmarkParseKey(b *testing.B) {
	key := []byte("/registry/secrets/default/database-credentials")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = storedvalue.ParseKey("/registry", key)
	}
}
