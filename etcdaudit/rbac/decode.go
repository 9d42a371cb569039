package rbac

import (
	"bytes"
	"errors"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

// protobufPrefix begins an object in the Kubernetes protobuf encoding
// (k8s.io/apimachinery/pkg/runtime/serializer/protobuf).
const protobufPrefix = "k8s\x00"

// encryptedPrefix begins every value that an API server has encrypted.
const encryptedPrefix = "k8s:enc:"

// errEncrypted is about a value that only the API server can read.
var errEncrypted = errors.New("encrypted")

// message is an object of k8s.io/api, which has both encodings.
type message interface{ Unmarshal(data []byte) error }

// decode reads an object as an API server stores or answers it. It knows the encodings that
// an API server uses for RBAC, and its version v1, and v1beta1 which is the same to the bit.
func decode(value []byte, kind string, into message) error {
	var of runtime.TypeMeta
	switch trimmed := bytes.TrimLeft(value, " \t\r\n"); {
	case bytes.HasPrefix(value, []byte(encryptedPrefix)):
		return errEncrypted
	case bytes.HasPrefix(value, []byte(protobufPrefix)):
		var unknown runtime.Unknown
		if err := unknown.Unmarshal(value[len(protobufPrefix):]); err != nil {
			return errors.New("malformed protobuf")
		}
		if err := into.Unmarshal(unknown.Raw); err != nil {
			return errors.New("malformed protobuf")
		}
		of = unknown.TypeMeta
	case len(trimmed) > 0 && trimmed[0] == '{':
		if kjson.UnmarshalCaseSensitivePreserveInts(value, into) != nil || kjson.UnmarshalCaseSensitivePreserveInts(value, &of) != nil {
			return errors.New("malformed JSON")
		}
	default:
		return errors.New("neither protobuf nor JSON")
	}
	if v := of.APIVersion; of.Kind != kind || v != rbacv1.SchemeGroupVersion.String() && v != "rbac.authorization.k8s.io/v1beta1" {
		return errors.New("of another kind or version than " + kind + " of " + rbacv1.SchemeGroupVersion.String())
	}
	return nil
}
