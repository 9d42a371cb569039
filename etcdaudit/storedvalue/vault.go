package storedvalue

import "github.com/sealproof/sealproof/internal/transit"

// What the plugin's local envelope looks like (docs/formats.md): a version
// byte, the local key's fingerprint, a nonce, the sealed seed and its tag.
const (
	localEnvelopeVersion  = 1
	localKEKFingerprint   = 8
	localEnvelopeOverhead = 1 + localKEKFingerprint + gcmNonce + gcmTag
	maxLocalSeed          = 512 // the API server's seeds have 32 bytes
)

// Envelope says which KMS plugin's form a DEK source has.
type Envelope uint8

const (
	// EnvelopeOther is any plugin's own form.
	EnvelopeOther Envelope = iota
	// EnvelopeTransit is a bare Vault Transit ciphertext without associated
	// data, as other plugins for Vault and OpenBao write it.
	EnvelopeTransit
	// EnvelopeSealproofLocal is sealed with a local KEK that Vault holds: the
	// "envelope: local" of this project's plugin.
	EnvelopeSealproofLocal
	// EnvelopeSealproofVault is sealed by Vault Transit itself and bound to the
	// cluster: the "envelope: vault" of this project's plugin.
	EnvelopeSealproofVault
)

// String returns the name used in reports.
func (e Envelope) String() string {
	switch e {
	case EnvelopeTransit:
		return "transit"
	case EnvelopeSealproofLocal:
		return "sealproof local"
	case EnvelopeSealproofVault:
		return "sealproof vault"
	default:
		return "other"
	}
}

// Envelope returns the form of the value's DEK source.
func (v *Value) Envelope() Envelope {
	_, direct := transit.Version(v.DEKSource)
	switch {
	case v.hasKEK:
		if _, ok := transit.Version(v.kek); ok && v.hasCluster && localEnvelope(v.DEKSource) {
			return EnvelopeSealproofLocal
		}
	case direct && v.hasCluster:
		return EnvelopeSealproofVault
	case direct:
		return EnvelopeTransit
	}
	return EnvelopeOther
}

func localEnvelope(source []byte) bool {
	seed := len(source) - localEnvelopeOverhead
	return seed > 0 && seed <= maxLocalSeed && source[0] == localEnvelopeVersion
}

// Cluster returns the cluster identity that this project's plugin bound the
// value to, as a view.
func (v Value) Cluster() ([]byte, bool) {
	if !v.hasCluster {
		return nil, false
	}
	return v.cluster, true
}

// LocalKEK returns the 8 bytes that tell the local KEK which sealed the value's DEK source from
// others, as a view; nothing of the key is in them. It is nil for every other envelope.
func (v *Value) LocalKEK() []byte {
	if v.Envelope() != EnvelopeSealproofLocal {
		return nil
	}
	return v.DEKSource[1:][:localKEKFingerprint]
}

// VaultKeyVersion returns the version of the Vault Transit key that wraps the
// value's DEK source, as the ciphertext itself says ("vault:vN:"): that of the
// local KEK where there is one, else that of the source. It holds for any
// plugin that stores Transit's ciphertext as it is, and for KMS v1 as well.
func (v *Value) VaultKeyVersion() (version uint32, ok bool) {
	n, ok := transit.Version(v.kek)
	if !ok {
		n, ok = transit.Version(v.DEKSource)
	}
	return uint32(n), ok //nolint:gosec // at most transit.MaxVersion
}
