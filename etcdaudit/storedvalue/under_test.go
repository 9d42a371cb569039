package storedvalue_test

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

func TestAValueIsReadUnderEveryNameThatItContinues(t *testing.T) {
	const body = "0123456789012345678901234567890123456789012345678901234567890123" // 64 bytes, whole blocks
	tests := []struct {
		value, name string
		ok          bool
		problem     storedvalue.Problem
		length      int // of the ciphertext
	}{
		{"aesgcm:v1:a:b:" + body, "a:b", true, storedvalue.NoProblem, 64},
		{"aesgcm:v1:a:b:" + body, "a", true, storedvalue.NoProblem, 66},
		{"aesgcm:v1:a:b:" + body, "a:", false, 0, 0},
		{"aesgcm:v1:a::" + body, "a:", true, storedvalue.NoProblem, 64},
		{"aesgcm:v1:a:b:" + body, "a:b:" + body, false, 0, 0},
		{"aesgcm:v1:ab:" + body, "a", false, 0, 0},
		{"aesgcm:v1:a:" + body, "", false, 0, 0},
		{"aesgcm:v1::" + body, "", false, 0, 0},
		{"aesgcm:v1:a:b:" + body[:20], "a:b", true, storedvalue.CiphertextShort, 20},
		{"aescbc:v1:a:b:" + body, "a:b", true, storedvalue.NoProblem, 64},
		{"aescbc:v1:a:b:" + body, "a", true, storedvalue.CiphertextBlocks, 66},
		{"secretbox:v1:a:b:" + body, "a:b", true, storedvalue.NoProblem, 64},
		{"secretbox:v1:" + strings.Repeat("n", 2000) + ":" + body, strings.Repeat("n", 2000), true, storedvalue.NoProblem, 64},
		{"kms:v2:p:", "p", true, storedvalue.CiphertextShort, 0},
		{"kms:v2:p:", "q", false, 0, 0},
		{"kms:v1:p:q:\x00\x10" + body, "p:q", true, storedvalue.NoProblem, 48},
		{"kms:v1:p:q:\x00\x10" + body, "p", false, 0, 0},
	}
	for _, tt := range tests {
		v, ok := storedvalue.Parse([]byte("k8s:enc:" + tt.value)).Under(tt.name)
		if ok != tt.ok {
			t.Errorf("%.40q under %.40q: %v", tt.value, tt.name, ok)
		}
		if ok && (v.Problem != tt.problem || len(v.Ciphertext) != tt.length || string(v.Name) != tt.name) {
			t.Errorf("%.40q under %.40q: %v, %d bytes, name %.40q", tt.value, tt.name, v.Problem, len(v.Ciphertext), v.Name)
		}
	}
}

func TestAnObjectIsToldFromChance(t *testing.T) {
	for _, mediaType := range []string{"application/vnd.kubernetes.protobuf", "application/json", "application/cbor", "application/yaml"} {
		if !storedvalue.IsObject(encode(t, mediaType)) {
			t.Errorf("what the API server stores as %s is no object", mediaType)
		}
	}
	for _, no := range []string{"", "\x8f\x02", "{", `{"a":`, "{}{}", "k8s\x00", "k8s\x00\x8f\x02\x01", "k8s\x00\x12\x02v1", "k8s\x00\x0a\x00", "k8s\x00\x0a\x03\x0a\x08v", "k8s\x00\x0a\x04\x0a\x02\xff\xfe"} {
		if storedvalue.IsObject([]byte(no)) {
			t.Errorf("%q is an object", no)
		}
	}
}
