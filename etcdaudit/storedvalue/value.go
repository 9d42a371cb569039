package storedvalue

import "bytes"

// Format is what wrote a value.
type Format uint8

const (
	// Unrecognised is plaintext of an encoding this package does not know. It
	// is not encrypted by Kubernetes: every encrypted value begins with
	// "k8s:enc:". An empty value is Unrecognised as well.
	Unrecognised Format = iota
	// Protobuf is plaintext in the Kubernetes protobuf encoding ("k8s\x00").
	Protobuf
	// JSON is plaintext JSON; custom resources are stored like this.
	JSON
	// CBOR is plaintext CBOR with the self-describing tag (KEP-4222).
	CBOR
	// YAML is plaintext YAML, of an API server with
	// --storage-media-type=application/yaml.
	YAML
	// AESCBC is the aescbc provider.
	AESCBC
	// AESGCM is the aesgcm provider.
	AESGCM
	// Secretbox is the secretbox provider.
	Secretbox
	// KMSv1 is the kms provider with apiVersion v1.
	KMSv1
	// KMSv2 is the kms provider with apiVersion v2.
	KMSv2
	// UnknownEncryption begins with "k8s:enc:", which the API server reserves
	// for encrypted data, and goes on with a provider or version that this
	// package does not know. Nothing more is said about it.
	UnknownEncryption

	formatCount
)

// String returns the name used in reports.
func (f Format) String() string {
	switch f {
	case Protobuf:
		return "protobuf"
	case JSON:
		return "json"
	case CBOR:
		return "cbor"
	case YAML:
		return "yaml"
	case AESCBC:
		return "aescbc"
	case AESGCM:
		return "aesgcm"
	case Secretbox:
		return "secretbox"
	case KMSv1:
		return "kms v1"
	case KMSv2:
		return "kms v2"
	case UnknownEncryption:
		return "unknown encryption"
	default:
		return "unrecognised"
	}
}

// Plaintext reports whether a reader of etcd can read values of this format.
func (f Format) Plaintext() bool { return f <= YAML }

// Formats returns every format, in a stable order.
func Formats() []Format {
	all := make([]Format, formatCount)
	for i := range all {
		all[i] = Format(i)
	}
	return all
}

// Value is what one stored value is. Its slices are views of the parsed bytes.
type Value struct {
	Format Format
	// Problem is not NoProblem when the value claims a format that its bytes do
	// not fulfil. The API server cannot read such a value. The fields below are
	// then not to be relied on. Of ObjectReadable, Format is that of the object.
	Problem Problem

	// Name is the key's name (aescbc, aesgcm, secretbox) or the KMS provider's
	// name. An aesgcm or secretbox name that contains a colon is cut there, and
	// one of aescbc may be: the bytes alone do not say where such a name ends.
	// See Under.
	Name []byte
	// KeyID is the key_id that the KMS v2 plugin gave.
	KeyID []byte
	// DEKSource is the encrypted data key (KMS v1) or the encrypted source of
	// it (KMS v2), as the plugin returned it.
	DEKSource []byte
	// DEKSourceType says how KMS v2 comes from the source to the data key.
	DEKSourceType DEKSourceType
	// Ciphertext is what follows: the encrypted object with its nonces and tag.
	Ciphertext []byte

	named  []byte // aescbc, aesgcm, secretbox: the name and all that follows it
	object []byte // KMS v2: the EncryptedObject, for its annotations
	// The annotations of this project's plugin, kept from the one walk over
	// the object.
	kek, cluster       []byte
	hasKEK, hasCluster bool
}

// Encrypted reports whether the value is well-formed and encrypted by a
// provider that this package knows.
func (v Value) Encrypted() bool {
	return v.Problem == NoProblem && v.Format > YAML && v.Format != UnknownEncryption
}

// The first bytes of each format. "k8s:enc:" is reserved by the API server's
// identity provider (pkg/storage/value/encrypt/identity), the protobuf header
// is k8s.io/apimachinery/pkg/runtime/serializer/protobuf, the CBOR one is tag
// 55799 of RFC 8949 section 3.4.6.
const (
	encryptedPrefix = "k8s:enc:"
	protobufPrefix  = "k8s\x00"
	cborPrefix      = "\xd9\xd9\xf7"

	aesCBCPrefix    = "k8s:enc:aescbc:v1:"
	aesGCMPrefix    = "k8s:enc:aesgcm:v1:"
	secretboxPrefix = "k8s:enc:secretbox:v1:"
	kmsV1Prefix     = "k8s:enc:kms:v1:"
	kmsV2Prefix     = "k8s:enc:kms:v2:"
)

// Parse says what the bytes of one value are. It does not copy, and it does not
// allocate on anything that an API server writes.
func Parse(value []byte) (v Value) {
	if !hasPrefix(value, encryptedPrefix) {
		return Value{Format: plaintextFormat(value)}
	}
	switch {
	case hasPrefix(value, kmsV2Prefix):
		v.parseKMSv2(value[len(kmsV2Prefix):]) // in its place: nearly every value is one
	case hasPrefix(value, kmsV1Prefix):
		v = parseKMSv1(value[len(kmsV1Prefix):])
	case hasPrefix(value, aesCBCPrefix):
		v = parseNamedKey(AESCBC, value[len(aesCBCPrefix):])
	case hasPrefix(value, aesGCMPrefix):
		v = parseNamedKey(AESGCM, value[len(aesGCMPrefix):])
	case hasPrefix(value, secretboxPrefix):
		v = parseNamedKey(Secretbox, value[len(secretboxPrefix):])
	default:
		v.Format = UnknownEncryption
	}
	if body, data := v.body(value); mayHoldObject(data) {
		if format, ok := objectIn(body); ok {
			return Value{Format: format, Problem: ObjectReadable}
		}
	}
	return v
}

// body is where an object in plaintext would be in a value, and data the part of it that should be
// ciphertext: beside that a plugin may have texts of its own. Where the form is taken from the object
// itself, that begins before: its first colon can seem to end a name.
func (v *Value) body(value []byte) (body, data []byte) {
	switch {
	case v.named != nil && v.Encrypted() && bytes.IndexByte(v.Name, 0) >= 0:
		return v.named, v.named // as the beginning of one in protobuf has
	case v.named != nil && v.Encrypted():
		return v.named, v.named[bytes.IndexByte(v.named, ':')+1:]
	case v.Encrypted() && len(v.DEKSource) <= MaxDEKSource:
		return v.Ciphertext, v.Ciphertext
	default:
		return value[len(encryptedPrefix):], value[len(encryptedPrefix):]
	}
}

// PlaintextFormat is the format of a value in plaintext, and Unrecognised for one
// that is encrypted. It looks at no more than the first 4 KiB.
func PlaintextFormat(value []byte) Format {
	if hasPrefix(value, encryptedPrefix) {
		return Unrecognised
	}
	return plaintextFormat(value)
}

func plaintextFormat(value []byte) Format {
	switch {
	case hasPrefix(value, protobufPrefix):
		return Protobuf
	case hasPrefix(value, cborPrefix):
		return CBOR
	}
	// The API server's JSON decoder skips leading space as well.
	if trimmed := bytes.TrimLeft(value, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		return JSON
	}
	if isYAML(value) {
		return YAML
	}
	return Unrecognised
}

// hasPrefix avoids the conversion that bytes.HasPrefix would need.
func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
