package storedvalue

import (
	"encoding/json"
	"unicode/utf8"
)

// fieldTypeMeta is the first field of runtime.Unknown, which every object in
// the Kubernetes protobuf encoding begins with
// (k8s.io/apimachinery/pkg/runtime/generated.proto).
const fieldTypeMeta = 1

// IsObject reports whether plaintext is an object as an API server stores it.
// It tells an object from what a wrong aescbc key makes of a ciphertext: there
// the padding is right once in 256 times.
func IsObject(plaintext []byte) bool {
	switch plaintextFormat(plaintext) {
	case Protobuf:
		return beginsWithType(plaintext[len(protobufPrefix):])
	case JSON:
		return json.Valid(plaintext)
	case Unrecognised:
		return false
	default:
		return true // what marks these is not there by chance
	}
}

// beginsWithType reports whether an object's apiVersion and kind are there.
func beginsWithType(unknown []byte) bool {
	num, typeMeta, _, n := consumeField(unknown)
	if n < 0 || num != fieldTypeMeta || len(typeMeta) == 0 {
		return false
	}
	for len(typeMeta) > 0 {
		_, text, _, n := consumeField(typeMeta)
		if n < 0 || !utf8.Valid(text) {
			return false
		}
		typeMeta = typeMeta[n:]
	}
	return true
}
