package storedvalue

// Problem is the reason why a value is malformed. It is a number and not an
// error so that finding one costs nothing and carries nothing of the value.
type Problem uint8

const (
	// NoProblem: the value is well-formed.
	NoProblem Problem = iota
	// NameMissing: no name ending in ':' follows the provider's prefix.
	NameMissing
	// NameTooLong: the name is longer than maxName.
	NameTooLong
	// CiphertextShort: the ciphertext has less than its nonces, tag or padding.
	CiphertextShort
	// CiphertextBlocks: an aescbc ciphertext is not a whole number of blocks.
	CiphertextBlocks
	// EnvelopeTruncated: the length of a KMS v1 data key exceeds what follows.
	EnvelopeTruncated
	// ObjectUndecodable: the KMS v2 EncryptedObject is not valid protobuf.
	ObjectUndecodable
	// KeyIDMissing: the KMS v2 key_id is empty.
	KeyIDMissing
	// KeyIDTooLong: the KMS v2 key_id is longer than MaxKeyID.
	KeyIDTooLong
	// DEKSourceMissing: the encrypted data key or its source is empty.
	DEKSourceMissing
	// DEKSourceTooLong: the KMS v2 DEK source is longer than MaxDEKSource.
	DEKSourceTooLong
	// DEKSourceTypeUnknown: the KMS v2 DEK source type is neither 0 nor 1.
	DEKSourceTypeUnknown
	// AnnotationKeyInvalid: a KMS v2 annotation's key is not a fully qualified
	// domain name.
	AnnotationKeyInvalid
	// AnnotationsTooLong: the KMS v2 annotations exceed MaxAnnotations.
	AnnotationsTooLong
	// ObjectReadable: behind the prefix of encrypted data is an object in plaintext.
	ObjectReadable

	problemCount
)

// String returns the reason as a report shows it.
func (p Problem) String() string {
	switch p {
	case NoProblem:
		return "well-formed"
	case NameMissing:
		return "no key or provider name after the prefix"
	case NameTooLong:
		return "key or provider name longer than 1024 bytes"
	case CiphertextShort:
		return "ciphertext too short to be complete"
	case CiphertextBlocks:
		return "ciphertext is not a whole number of AES blocks"
	case EnvelopeTruncated:
		return "data key's length exceeds the value"
	case ObjectUndecodable:
		return "EncryptedObject is not valid protobuf"
	case KeyIDMissing:
		return "key_id is empty"
	case KeyIDTooLong:
		return "key_id longer than 1024 bytes"
	case DEKSourceMissing:
		return "encrypted data key or DEK source is empty"
	case DEKSourceTooLong:
		return "encrypted DEK source longer than 1024 bytes"
	case DEKSourceTypeUnknown:
		return "unknown DEK source type"
	case AnnotationKeyInvalid:
		return "annotation key is not a fully qualified domain name"
	case AnnotationsTooLong:
		return "annotations longer than 32768 bytes"
	case ObjectReadable:
		return "readable behind the prefix of encrypted data"
	default:
		return "unknown problem"
	}
}

// Problems returns every problem but NoProblem, in a stable order.
func Problems() []Problem {
	all := make([]Problem, 0, problemCount-1)
	for p := NoProblem + 1; p < problemCount; p++ {
		all = append(all, p)
	}
	return all
}
