package storedvalue

import (
	"bytes"
	"encoding/binary"
)

// parseKMSv1 reads "<name>:<length, 2 bytes big-endian><encrypted data
// key><ciphertext>" (pkg/storage/value/encrypt/envelope/envelope.go).
//
// A KMS v1 name may contain colons, and so may the encrypted data key. What
// tells them apart is the length's first byte: an encrypted key shorter than
// 8 KiB begins with a byte below 0x20, which no name contains. So the name ends
// at the colon before the first control byte. A longer data key is only found
// after the first colon.
func parseKMSv1(rest []byte) Value {
	v := Value{Format: KMSv1}
	body, ok := kmsV1Body(&v, rest)
	if !ok {
		return v
	}
	if len(body) < 2 {
		v.Problem = EnvelopeTruncated
		return v
	}
	n := int(binary.BigEndian.Uint16(body))
	switch body = body[2:]; {
	case n == 0:
		v.Problem = DEKSourceMissing
	case n > len(body):
		v.Problem = EnvelopeTruncated
	default:
		v.DEKSource, v.Ciphertext = body[:n:n], body[n:]
		// AES-GCM since 1.25; AES-CBC before, whose minimum is larger.
		if len(v.Ciphertext) < gcmNonce+gcmTag {
			v.Problem = CiphertextShort
		}
	}
	return v
}

func kmsV1Body(v *Value, rest []byte) ([]byte, bool) {
	head := rest[:min(len(rest), maxName+2)]
	control := bytes.IndexFunc(head, func(r rune) bool { return r < 0x20 })
	if control > 1 && head[control-1] == ':' {
		v.Name = rest[: control-1 : control-1]
		return rest[control:], true
	}
	name, body, problem := cutName(rest)
	v.Name, v.Problem = name, problem
	return body, problem == NoProblem
}
