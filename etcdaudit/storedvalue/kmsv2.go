package storedvalue

import (
	"iter"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/internal/transit"
)

// Limits of a KMS v2 EncryptedObject, in bytes
// (pkg/storage/value/encrypt/envelope/kmsv2/envelope.go).
const (
	MaxKeyID       = 1024
	MaxDEKSource   = 1024
	MaxAnnotations = 32 * 1024 // keys and values together
)

// DEKSourceType says how the API server comes from the DEK source to the key
// that encrypts an object (kmsv2/v2/api.proto).
type DEKSourceType int32

const (
	// AESGCMKey: the source is the key itself.
	AESGCMKey DEKSourceType = 0
	// HKDFSeed: the source is a seed; each object has a key of its own.
	HKDFSeed DEKSourceType = 1
)

// Unseeded reports whether a KMS v2 value was encrypted with its DEK source itself.
func (v *Value) Unseeded() bool {
	return v.Format == KMSv2 && v.Problem == NoProblem && v.DEKSourceType == AESGCMKey
}

// hkdfInfo is the length of the random label before the nonce when the source
// is a seed (pkg/storage/value/encrypt/aes/aes_extended_nonce.go).
const hkdfInfo = 32

// Fields of EncryptedObject (kmsv2/v2/api.proto) and of a protobuf map's entry.
const (
	fieldEncryptedData = 1
	fieldKeyID         = 2
	fieldDEKSource     = 3
	fieldAnnotations   = 4
	fieldDEKSourceType = 5

	fieldMapKey   = 1
	fieldMapValue = 2
)

// parseKMSv2 reads "<name>:<EncryptedObject>". A KMS v2 name has no colon.
func (v *Value) parseKMSv2(rest []byte) {
	v.Format = KMSv2
	if v.Name, v.object, v.Problem = cutName(rest); v.Problem != NoProblem {
		return
	}
	if seen, ok := decodeObject(v); ok {
		v.Problem = checkObject(v, seen)
	} else {
		v.Problem = ObjectUndecodable
	}
}

// annotationsSeen is what the one walk over an object learns of its
// annotations.
type annotationsSeen struct {
	size    int  // of keys and values, repeated ones included
	invalid bool // a key is not a fully qualified domain name
}

// decodeObject accepts what the API server's protobuf library accepts: fields
// in any order, the last of a repeated one counts, unknown ones are skipped,
// strings are UTF-8.
func decodeObject(v *Value) (seen annotationsSeen, ok bool) {
	for b := v.object; len(b) > 0; {
		num, content, number, n := consumeField(b)
		if n < 0 {
			return seen, false
		}
		b = b[n:]
		switch num {
		case fieldEncryptedData:
			v.Ciphertext = content
		case fieldKeyID:
			if !utf8.Valid(content) {
				return seen, false
			}
			v.KeyID = content
		case fieldDEKSource:
			v.DEKSource = content
		case fieldAnnotations:
			key, value, ok := decodeMapEntry(content)
			if !ok {
				return seen, false
			}
			seen.size += len(key) + len(value)
			seen.invalid = seen.invalid || !qualifiedName(key)
			switch string(key) {
			case transit.AnnotationKEK:
				v.kek, v.hasKEK = value, true
			case transit.AnnotationCluster:
				v.cluster, v.hasCluster = value, len(value) <= transit.MaxCluster
			}
		case fieldDEKSourceType:
			v.DEKSourceType = DEKSourceType(int32(number)) //nolint:gosec // protobuf enums keep the low 32 bits
		}
	}
	return seen, true
}

func decodeMapEntry(b []byte) (key, value []byte, ok bool) {
	for len(b) > 0 {
		num, content, _, n := consumeField(b)
		if n < 0 {
			return nil, nil, false
		}
		b = b[n:]
		switch num {
		case fieldMapKey:
			if !utf8.Valid(content) {
				return nil, nil, false
			}
			key = content
		case fieldMapValue:
			value = content
		}
	}
	return key, value, true
}

// consumeField reads one field and returns its number, its content or value,
// and its length; a negative length for what is not protobuf. Number 0 stands
// for a field to be skipped: an unknown one, or a known one of another wire
// type, which protobuf treats alike.
func consumeField(b []byte) (num protowire.Number, content []byte, number uint64, n int) {
	num, typ, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return 0, nil, 0, tag
	}
	switch {
	case typ == protowire.BytesType:
		content, n = protowire.ConsumeBytes(b[tag:])
		content = content[:len(content):len(content)]
		if num > fieldAnnotations {
			num = 0
		}
	case typ == protowire.VarintType && num == fieldDEKSourceType:
		number, n = protowire.ConsumeVarint(b[tag:])
	default:
		n = protowire.ConsumeFieldValue(num, typ, b[tag:])
		num = 0
	}
	if n < 0 {
		return 0, nil, 0, n
	}
	return num, content, number, tag + n
}

// checkObject makes the API server's own checks (ValidateEncryptedObject) and
// one more: a ciphertext without room for its nonces and tag cannot be opened.
func checkObject(v *Value, seen annotationsSeen) Problem {
	short := gcmNonce + gcmTag
	switch v.DEKSourceType {
	case AESGCMKey:
	case HKDFSeed:
		short += hkdfInfo
	default:
		return DEKSourceTypeUnknown
	}
	switch {
	case len(v.Ciphertext) < short:
		return CiphertextShort
	case len(v.DEKSource) == 0:
		return DEKSourceMissing
	case len(v.DEKSource) > MaxDEKSource:
		return DEKSourceTooLong
	case len(v.KeyID) == 0:
		return KeyIDMissing
	case len(v.KeyID) > MaxKeyID:
		return KeyIDTooLong
	case seen.invalid:
		return AnnotationKeyInvalid
	case seen.size > MaxAnnotations && distinctAnnotations(v) > MaxAnnotations:
		return AnnotationsTooLong
	}
	return NoProblem
}

// distinctAnnotations is the size of the annotations when only the last one of
// a repeated key counts. An API server never writes a key twice, so only
// damaged input pays for the map.
func distinctAnnotations(v *Value) int {
	sizes := make(map[string]int)
	for key, value := range v.Annotations() {
		sizes[string(key)] = len(key) + len(value)
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	return total
}

// Annotations yields the key and value of each annotation of a KMS v2 value, in
// stored order, as views. When a key is repeated, which an API server never
// writes, the last one counts.
func (v Value) Annotations() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for b := v.object; len(b) > 0; {
			num, content, _, n := consumeField(b)
			if n < 0 {
				return
			}
			b = b[n:]
			if num == fieldAnnotations {
				key, value, ok := decodeMapEntry(content)
				if !ok || !yield(key, value) {
					return
				}
			}
		}
	}
}

// BehindData returns what follows the encrypted data of a KMS v2 value, as a view: key_id, DEK source
// and annotations, byte for byte. It is nil where another field comes first, which no API server
// writes. Values with equal bytes there have the same DEK source; ones with others may have it too.
func (v *Value) BehindData() []byte {
	num, typ, tag := protowire.ConsumeTag(v.object)
	if tag < 0 || num != fieldEncryptedData || typ != protowire.BytesType {
		return nil
	}
	_, n := protowire.ConsumeBytes(v.object[tag:])
	if n < 0 {
		return nil
	}
	return v.object[tag+n:]
}

// Annotation returns the value of one annotation, as a view.
func (v Value) Annotation(name string) (value []byte, ok bool) {
	for k, val := range v.Annotations() {
		if string(k) == name {
			value, ok = val, true
		}
	}
	return value, ok
}

// maxDNSName and maxDNSLabel are the lengths of a DNS name and of its labels
// (RFC 1123 section 2.1, as in k8s.io/apimachinery/pkg/util/validation).
const (
	maxDNSName  = 253
	maxDNSLabel = 63
)

// qualifiedName is IsFullyQualifiedDomainName of apimachinery's validation:
// lower-case labels, at least two, and one trailing dot is allowed.
func qualifiedName(name []byte) bool {
	if len(name) > 0 && name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	if len(name) > maxDNSName {
		return false
	}
	start, labels := 0, 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			continue
		}
		if !dnsLabel(name[start:i]) {
			return false
		}
		start = i + 1
		labels++
	}
	return labels >= 2
}

func dnsLabel(label []byte) bool {
	if len(label) == 0 || len(label) > maxDNSLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range label {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
