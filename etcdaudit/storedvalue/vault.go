package storedvalue

import "math"

// The annotations of this project's plugin (docs/formats.md).
const (
	annotationKEK     = "kek.sealproof"
	annotationCluster = "cluster.sealproof"
)

// What the plugin's local envelope looks like (docs/formats.md): a version
// byte, the local key's fingerprint, a nonce, the sealed seed and its tag.
const (
	localEnvelopeVersion  = 1
	localEnvelopeOverhead = 1 + 8 + gcmNonce + gcmTag
	maxLocalSeed          = 512 // the API server's seeds have 32 bytes

	maxCluster = 63 // bytes of a cluster identity; anything longer is not ours
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
func (v Value) Envelope() Envelope {
	_, transit := transitVersion(v.DEKSource)
	switch {
	case v.hasKEK:
		if _, ok := transitVersion(v.kek); ok && v.hasCluster && localEnvelope(v.DEKSource) {
			return EnvelopeSealproofLocal
		}
	case transit && v.hasCluster:
		return EnvelopeSealproofVault
	case transit:
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

// VaultKeyVersion returns the version of the Vault Transit key that wraps the
// value's DEK source, as the ciphertext itself says ("vault:vN:"): that of the
// local KEK where there is one, else that of the source. It holds for any
// plugin that stores Transit's ciphertext as it is, and for KMS v1 as well.
func (v Value) VaultKeyVersion() (version uint32, ok bool) {
	if version, ok = transitVersion(v.kek); ok {
		return version, true
	}
	return transitVersion(v.DEKSource)
}

// transitVersion reads the version out of "vault:vN:...". Vault writes N in
// decimal without leading zeros, from 1.
func transitVersion(ciphertext []byte) (uint32, bool) {
	const prefix = "vault:v"
	if !hasPrefix(ciphertext, prefix) {
		return 0, false
	}
	var version uint64
	for i, c := range ciphertext[len(prefix):] {
		switch {
		case c == ':' && version > 0:
			return uint32(version), true
		case c < '0' || c > '9' || (i == 0 && c == '0'):
			return 0, false
		}
		if version = version*10 + uint64(c-'0'); version > math.MaxUint32 {
			return 0, false
		}
	}
	return 0, false
}
