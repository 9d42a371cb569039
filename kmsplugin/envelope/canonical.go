package envelope

import "encoding/binary"

// canonical encodes a list of fields so that no two lists share an encoding:
// each field is preceded by its length as four bytes, big endian. The first
// field names what the encoding is for, so that bytes made for one purpose are
// never valid for another.
func canonical(purpose string, fields ...string) []byte {
	size := 4 + len(purpose)
	for _, f := range fields {
		size += 4 + len(f)
	}
	b := make([]byte, 0, size)
	b = appendField(b, purpose)
	for _, f := range fields {
		b = appendField(b, f)
	}
	return b
}

func appendField(b []byte, f string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(f))) //nolint:gosec // fields are at most 32 KiB: Parse and ValidateCluster see to it
	return append(b, f...)
}

// Binding is what both layers are bound to: ciphertext that was moved to another
// cluster or stored under another key_id cannot be unwrapped.
type Binding struct {
	Cluster string // the cluster's identity, see ValidateCluster
	KeyID   string // the key_id that is stored beside the ciphertext
}

// DeriveLabel is the input of the HMAC from which a local KEK is derived.
func (b Binding) DeriveLabel() []byte { return canonical("sealproof/1/derive", b.Cluster, b.KeyID) }

// WrapData is the associated data under which Transit wraps a local KEK.
func (b Binding) WrapData() []byte { return canonical("sealproof/1/wrap", b.Cluster, b.KeyID) }

// DirectData is the associated data under which Transit wraps a DEK seed itself
// (envelope: vault).
func (b Binding) DirectData() []byte { return canonical("sealproof/1/direct", b.Cluster, b.KeyID) }

// CanaryData is the associated data of the random value that a probe has Vault
// open to see whether a version still decrypts.
func (b Binding) CanaryData() []byte { return canonical("sealproof/1/canary", b.Cluster, b.KeyID) }

// seedData is the associated data under which a local KEK wraps a DEK seed. It
// includes the wrapped local KEK: an object whose annotation was exchanged cannot be
// unwrapped, even where the local KEK is held.
func (b Binding) seedData(wrapped []byte) []byte {
	return canonical("sealproof/1/seed", b.Cluster, b.KeyID, string(wrapped))
}
