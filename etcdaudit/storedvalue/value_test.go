package storedvalue_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"k8s.io/apimachinery/pkg/runtime"
	kmsservice "k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

func TestPlaintextIsRecognisedByItsFirstBytes(t *testing.T) {
	tests := []struct {
		name, value string
		want        storedvalue.Format
	}{
		{"an empty value is plaintext", "", storedvalue.Unrecognised},
		{"text is plaintext", "hello", storedvalue.Unrecognised},
		{"a prefix without its last colon is not reserved", "k8s:enc", storedvalue.Unrecognised},
		{"another prefix of the same shape is plaintext", "k8s:encoded:", storedvalue.Unrecognised},
		{"the prefix in upper case is plaintext", "K8S:ENC:aescbc:v1:k:", storedvalue.Unrecognised},
		{"the prefix after a space is plaintext", " k8s:enc:kms:v2:p:", storedvalue.Unrecognised},
		{"protobuf", "k8s\x00\n\x0c", storedvalue.Protobuf},
		{"a protobuf header cut short", "k8s", storedvalue.Unrecognised},
		{"JSON", `{"kind":"Widget"}`, storedvalue.JSON},
		{"JSON after space", "\n\t {}", storedvalue.JSON},
		{"a JSON array is no object", "[]", storedvalue.Unrecognised},
		{"only space", " \n", storedvalue.Unrecognised},
		{"CBOR", "\xd9\xd9\xf7\xa0", storedvalue.CBOR},
		{"CBOR without the tag", "\xa0", storedvalue.Unrecognised},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := storedvalue.Parse([]byte(tt.value))
			if v.Format != tt.want || v.Problem != storedvalue.NoProblem || !v.Format.Plaintext() || v.Encrypted() {
				t.Errorf("got %v, %v, plaintext %v, encrypted %v", v.Format, v.Problem, v.Format.Plaintext(), v.Encrypted())
			}
		})
	}
}

func TestUnknownEncryptionIsNeitherPlaintextNorKnown(t *testing.T) {
	for _, value := range []string{"k8s:enc:", "k8s:enc:kms:v3:p:xyz", "k8s:enc:aescbc:v2:k:x", "k8s:enc:xor:v1:", "k8s:enc:aescbc"} {
		v := storedvalue.Parse([]byte(value))
		if v.Format != storedvalue.UnknownEncryption || v.Format.Plaintext() || v.Encrypted() {
			t.Errorf("%q: got %v, plaintext %v, encrypted %v", value, v.Format, v.Format.Plaintext(), v.Encrypted())
		}
	}
}

// object builds an EncryptedObject field by field.
type object []byte

func (o object) bytes(field protowire.Number, content string) object {
	return protowire.AppendString(protowire.AppendTag(o, field, protowire.BytesType), content)
}

func (o object) varint(field protowire.Number, n uint64) object {
	return protowire.AppendVarint(protowire.AppendTag(o, field, protowire.VarintType), n)
}

func (o object) annotation(key, value string) object {
	return o.bytes(4, string(object{}.bytes(1, key).bytes(2, value)))
}

func (o object) value() string { return "k8s:enc:kms:v2:p:" + string(o) }

func sound() object {
	return object{}.bytes(1, strings.Repeat("c", 60)).bytes(2, "key").bytes(3, "source").varint(5, 1)
}

func TestMalformedValuesNameTheirProblem(t *testing.T) {
	long := strings.Repeat("n", 1025)
	tests := []struct {
		name, value string
		format      storedvalue.Format
		want        storedvalue.Problem
	}{
		{"aescbc without a key name", "k8s:enc:aescbc:v1:", storedvalue.AESCBC, storedvalue.NameMissing},
		{"aescbc with an empty key name", "k8s:enc:aescbc:v1::" + strings.Repeat("x", 32), storedvalue.AESCBC, storedvalue.NameMissing},
		{"aescbc whose key name does not end", "k8s:enc:aescbc:v1:key", storedvalue.AESCBC, storedvalue.NameMissing},
		{"aescbc whose key name is endless", "k8s:enc:aescbc:v1:" + long, storedvalue.AESCBC, storedvalue.NameTooLong},
		{"aescbc with an IV and no block", "k8s:enc:aescbc:v1:k:" + strings.Repeat("x", 16), storedvalue.AESCBC, storedvalue.CiphertextShort},
		{"aescbc cut in a block", "k8s:enc:aescbc:v1:k:" + strings.Repeat("x", 47), storedvalue.AESCBC, storedvalue.CiphertextBlocks},
		{"aescbc cut in a block, with a colon that ends no name", "k8s:enc:aescbc:v1:k:\x80:" + strings.Repeat("x", 32), storedvalue.AESCBC, storedvalue.CiphertextBlocks},
		{"aescbc cut in a block, with a colon after a control character", "k8s:enc:aescbc:v1:k:\x01:" + strings.Repeat("x", 32), storedvalue.AESCBC, storedvalue.CiphertextBlocks},
		{"aesgcm without room for its tag", "k8s:enc:aesgcm:v1:k:" + strings.Repeat("x", 27), storedvalue.AESGCM, storedvalue.CiphertextShort},
		{"secretbox without room for its nonce", "k8s:enc:secretbox:v1:k:" + strings.Repeat("x", 39), storedvalue.Secretbox, storedvalue.CiphertextShort},
		{"kms v1 that ends after its name", "k8s:enc:kms:v1:p:", storedvalue.KMSv1, storedvalue.EnvelopeTruncated},
		{"kms v1 that ends in its length", "k8s:enc:kms:v1:p:\x00", storedvalue.KMSv1, storedvalue.EnvelopeTruncated},
		{"kms v1 whose length exceeds the value", "k8s:enc:kms:v1:p:\x00\x05abcd", storedvalue.KMSv1, storedvalue.EnvelopeTruncated},
		{"kms v1 with an empty data key", "k8s:enc:kms:v1:p:\x00\x00" + strings.Repeat("x", 28), storedvalue.KMSv1, storedvalue.DEKSourceMissing},
		{"kms v1 without ciphertext", "k8s:enc:kms:v1:p:\x00\x04abcd", storedvalue.KMSv1, storedvalue.CiphertextShort},
		{"kms v1 without a name", "k8s:enc:kms:v1::\x00\x01a" + strings.Repeat("x", 28), storedvalue.KMSv1, storedvalue.NameMissing},
		{"kms v2 without a name", "k8s:enc:kms:v2::" + string(sound()), storedvalue.KMSv2, storedvalue.NameMissing},
		{"kms v2 that ends after its name", object(nil).value(), storedvalue.KMSv2, storedvalue.CiphertextShort},
		{"kms v2 cut in a field", sound().value()[:60], storedvalue.KMSv2, storedvalue.ObjectUndecodable},
		{"kms v2 with a length beyond the value", "k8s:enc:kms:v2:p:\x0a\xff\xff\xff\xff\x0f", storedvalue.KMSv2, storedvalue.ObjectUndecodable},
		{"kms v2 with field number 0", "k8s:enc:kms:v2:p:\x02\x00", storedvalue.KMSv2, storedvalue.ObjectUndecodable},
		{"kms v2 with an end of a group that never began", "k8s:enc:kms:v2:p:\x0c", storedvalue.KMSv2, storedvalue.ObjectUndecodable},
		{"kms v2 seed without room for its label", object{}.bytes(1, strings.Repeat("c", 59)).bytes(2, "k").bytes(3, "s").varint(5, 1).value(), storedvalue.KMSv2, storedvalue.CiphertextShort},
		{"kms v2 key without room for its tag", object{}.bytes(1, strings.Repeat("c", 27)).bytes(2, "k").bytes(3, "s").value(), storedvalue.KMSv2, storedvalue.CiphertextShort},
		{"kms v2 without key id", object{}.bytes(1, strings.Repeat("c", 60)).bytes(3, "s").value(), storedvalue.KMSv2, storedvalue.KeyIDMissing},
		{"kms v2 whose last key id is empty", sound().bytes(2, "").value(), storedvalue.KMSv2, storedvalue.KeyIDMissing},
		{"kms v2 with a key id over 1 KiB", sound().bytes(2, long).value(), storedvalue.KMSv2, storedvalue.KeyIDTooLong},
		{"kms v2 with a key id that is not UTF-8", sound().bytes(2, "\xff").value(), storedvalue.KMSv2, storedvalue.ObjectUndecodable},
		{"kms v2 without DEK source", object{}.bytes(1, strings.Repeat("c", 60)).bytes(2, "k").value(), storedvalue.KMSv2, storedvalue.DEKSourceMissing},
		{"kms v2 with a DEK source over 1 KiB", sound().bytes(3, long).value(), storedvalue.KMSv2, storedvalue.DEKSourceTooLong},
		{"kms v2 with a DEK source type of the future", sound().varint(5, 2).value(), storedvalue.KMSv2, storedvalue.DEKSourceTypeUnknown},
		{"kms v2 with a negative DEK source type", sound().varint(5, 0xffffffffffffffff).value(), storedvalue.KMSv2, storedvalue.DEKSourceTypeUnknown},
		{"kms v2 with an annotation key of one label", sound().annotation("kek", "v").value(), storedvalue.KMSv2, storedvalue.AnnotationKeyInvalid},
		{"kms v2 with an annotation key in upper case", sound().annotation("Kek.Example", "v").value(), storedvalue.KMSv2, storedvalue.AnnotationKeyInvalid},
		{"kms v2 whose first annotation key is invalid, and not the last", sound().annotation("Kek.Example", "v").annotation("kek.example", "v").value(), storedvalue.KMSv2, storedvalue.AnnotationKeyInvalid},
		{"kms v2 with an empty annotation", sound().bytes(4, "").value(), storedvalue.KMSv2, storedvalue.AnnotationKeyInvalid},
		{"kms v2 with an annotation that is no map entry", sound().bytes(4, "\x0a\x05a").value(), storedvalue.KMSv2, storedvalue.ObjectUndecodable},
		{"an object in the place of a ciphertext", "k8s:enc:aesgcm:v1:k:" + string(encode(t, runtime.ContentTypeJSON)), storedvalue.JSON, storedvalue.ObjectReadable},
		{"kms v2 with annotations over 32 KiB", sound().annotation("a.b", strings.Repeat("v", 32<<10)).value(), storedvalue.KMSv2, storedvalue.AnnotationsTooLong},
	}
	seen := map[storedvalue.Problem]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := storedvalue.Parse([]byte(tt.value))
			if v.Format != tt.format || v.Problem != tt.want {
				t.Errorf("got %v, %v; want %v, %v", v.Format, v.Problem, tt.format, tt.want)
			}
			if v.Encrypted() {
				t.Error("a malformed value counts as encrypted")
			}
		})
		seen[tt.want] = true
	}
	for _, p := range storedvalue.Problems() {
		if !seen[p] {
			t.Errorf("no test for the problem %q", p)
		}
	}
}

func TestDamageThatTheAPIServerTolerates(t *testing.T) {
	tests := []struct {
		name  string
		value string
		keyID string
	}{
		{"fields in another order", object{}.varint(5, 1).bytes(3, "s").bytes(2, "k").bytes(1, strings.Repeat("c", 60)).value(), "k"},
		{"a repeated field counts as its last", sound().bytes(2, "second").value(), "second"},
		{"unknown fields are skipped", sound().bytes(99, "x").varint(100, 7).value(), "key"},
		{"a known field of another type is an unknown one", sound().varint(2, 7).bytes(5, "x").value(), "key"},
		{"a source type beyond 32 bits keeps the low ones", sound().varint(5, 1<<32|1).value(), "key"},
		{"annotations repeated until they exceed the limit", func() string {
			o := sound()
			for range 40 {
				o = o.annotation("a.b", strings.Repeat("v", 1000))
			}
			return o.value()
		}(), "key"},
		{"an annotation key with a trailing dot", sound().annotation("a.b.", "v").value(), "key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v := storedvalue.Parse([]byte(tt.value)); !v.Encrypted() || string(v.KeyID) != tt.keyID {
				t.Errorf("got %v, %v, key id %q", v.Format, v.Problem, v.KeyID)
			}
		})
	}
}

func TestTheLastOfARepeatedAnnotationCounts(t *testing.T) {
	v := storedvalue.Parse([]byte(sound().annotation("a.b", "1").annotation("c.d", "2").annotation("a.b", "3").value()))
	if got, ok := v.Annotation("a.b"); string(got) != "3" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if _, ok := v.Annotation("e.f"); ok {
		t.Error("found an annotation that is not there")
	}
	n := 0
	for range v.Annotations() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d annotations before the loop was left, want 1", n)
	}
}

func TestVaultKeyVersionIsReadOnlyFromWhatVaultWrites(t *testing.T) {
	tests := []struct {
		source  string
		version uint32
		ok      bool
	}{
		{"vault:v1:abc", 1, true},
		{"vault:v2147483647:abc", 2147483647, true},
		{"vault:v2147483648:abc", 0, false},
		{"vault:v99999999999999999999999999:abc", 0, false},
		{"vault:v0:abc", 0, false},
		{"vault:v01:abc", 0, false},
		{"vault:v:abc", 0, false},
		{"vault:v1", 0, false},
		{"vault:v1x:abc", 0, false},
		{"vault:1:abc", 0, false},
		{"Vault:v1:abc", 0, false},
		{"v1:abc", 0, false},
	}
	for _, tt := range tests {
		v := storedvalue.Parse([]byte(sound().bytes(3, tt.source).value()))
		if version, ok := v.VaultKeyVersion(); version != tt.version || ok != tt.ok {
			t.Errorf("%s: got %d, %v; want %d, %v", tt.source, version, ok, tt.version, tt.ok)
		}
	}
}

func TestAFormOfThisProjectNeedsAllItsParts(t *testing.T) {
	local := string(localDEKSource())
	kek := string(transitCiphertext("v2"))
	tests := []struct {
		name string
		o    object
		want storedvalue.Envelope
	}{
		{"local", sound().bytes(3, local).annotation("cluster.sealproof", "c").annotation("kek.sealproof", kek), storedvalue.EnvelopeSealproofLocal},
		{"local without its cluster", sound().bytes(3, local).annotation("kek.sealproof", kek), storedvalue.EnvelopeOther},
		{"local with another version byte", sound().bytes(3, "\x02"+local[1:]).annotation("cluster.sealproof", "c").annotation("kek.sealproof", kek), storedvalue.EnvelopeOther},
		{"local without a seed", sound().bytes(3, local[:37]).annotation("cluster.sealproof", "c").annotation("kek.sealproof", kek), storedvalue.EnvelopeOther},
		{"local whose KEK is no Transit ciphertext", sound().bytes(3, local).annotation("cluster.sealproof", "c").annotation("kek.sealproof", "x"), storedvalue.EnvelopeOther},
		{"vault", sound().bytes(3, kek).annotation("cluster.sealproof", "c"), storedvalue.EnvelopeSealproofVault},
		{"vault with a cluster that no plugin accepts", sound().bytes(3, kek).annotation("cluster.sealproof", strings.Repeat("c", 64)), storedvalue.EnvelopeTransit},
		{"bare Transit", sound().bytes(3, kek), storedvalue.EnvelopeTransit},
		{"another plugin", sound(), storedvalue.EnvelopeOther},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := storedvalue.Parse([]byte(tt.o.value()))
			if got := v.Envelope(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParsingDoesNotAllocate(t *testing.T) {
	local := writtenKMSv2(t, "sealproof", true, kmsservice.EncryptResponse{
		KeyID: "v2.00112233445566778899aabbccddeeff", Ciphertext: localDEKSource(),
		Annotations: map[string][]byte{"cluster.sealproof": []byte("prod"), "kek.sealproof": transitCiphertext("v2")},
	}, bytes.Repeat([]byte("x"), 1024))
	for name, stored := range map[string][]byte{
		"kms v2":   local,
		"kms v1":   writtenKMSv1(t, "p", transitCiphertext("v1"), []byte("x"), false),
		"protobuf": encode(t, runtime.ContentTypeProtobuf),
		"garbage":  []byte("k8s:enc:kms:v2:p:\x0a\xff"),
	} {
		if n := testing.AllocsPerRun(100, func() {
			v := storedvalue.Parse(stored)
			_, _ = v.VaultKeyVersion()
			_ = v.Envelope()
			for range v.Annotations() {
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	key := []byte("/registry/secrets/default/db")
	if n := testing.AllocsPerRun(100, func() { _, _ = storedvalue.ParseKey("/registry", key) }); n != 0 {
		t.Errorf("key: %v allocations", n)
	}
}

func TestNothingOfAValueAppearsInWhatIsPrinted(t *testing.T) {
	for _, f := range storedvalue.Formats() {
		if f.String() == "" || (f.String() == "unrecognised") != (f == storedvalue.Unrecognised) {
			t.Errorf("format %d has no name of its own", f)
		}
	}
	for _, p := range storedvalue.Problems() {
		if p.String() == "unknown problem" {
			t.Errorf("problem %d has no text", p)
		}
	}
}
