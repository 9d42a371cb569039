// Package transit knows what HashiCorp Vault's Transit engine writes, and under
// which annotations the plugin stores it. Every program reads both through this
// package. It does no I/O and holds no key.
package transit

import (
	"bytes"
	"strconv"
)

// Names of the annotations that the plugin stores with every object: short, and of
// two labels because the API server takes only qualified domain names.
const (
	// AnnotationCluster holds the cluster's identity.
	AnnotationCluster = "cluster.sealproof"
	// AnnotationKEK holds the local KEK as Transit has wrapped it.
	AnnotationKEK = "kek.sealproof"
	// MaxCluster is the longest cluster identity, in bytes.
	MaxCluster = 63
)

// MaxVersion is the highest key version that can be read: versions fit into 31
// bits, so that they are the same number on every platform.
const MaxVersion = 1<<31 - 1

const prefix = "vault:v"

// Split takes "vault:vN:body" apart, the form of Transit's ciphertexts and HMACs.
// version counts from 1 and has no leading zero. body is a view of b and not
// empty. ok is false for all else.
func Split(b []byte) (version int, body []byte, ok bool) {
	b, ok = bytes.CutPrefix(b, []byte(prefix))
	if !ok {
		return 0, nil, false
	}
	for i, c := range b {
		switch {
		case c == ':' && version > 0 && i+1 < len(b):
			return version, b[i+1:], true
		case c < '0' || c > '9' || i == 0 && c == '0':
			return 0, nil, false
		}
		if version = version*10 + int(c-'0'); version > MaxVersion {
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// Version returns the key version that a Transit ciphertext names; false if b is
// none.
func Version(b []byte) (int, bool) {
	version, _, ok := Split(b)
	return version, ok
}

// Join returns "vault:vN:body".
func Join(version int, body string) []byte {
	return []byte(prefix + strconv.Itoa(version) + ":" + body)
}
