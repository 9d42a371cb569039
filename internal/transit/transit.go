// Package transit parses the ciphertext of HashiCorp Vault's Transit engine, and defines
// the annotations of the plugin. Every program uses this package for both. It does no I/O
// and has no key.
package transit

import (
	"bytes"
	"strconv"
)

// Names of the annotations that the plugin stores with every object: short, and of
// two labels because the API server takes only qualified domain names.
const (
	// AnnotationCluster contains the cluster's identity.
	AnnotationCluster = "cluster.sealproof"
	// AnnotationKEK contains the local KEK, wrapped by Transit.
	AnnotationKEK = "kek.sealproof"
	// MaxCluster is the longest cluster identity, in bytes.
	MaxCluster = 63
)

// MaxVersion is the highest key version: versions fit into 31 bits, so that they are the
// same on every platform.
const MaxVersion = 1<<31 - 1

const prefix = "vault:v"

// Split parses "vault:vN:body", the form of Transit's ciphertexts and HMACs. version
// counts from 1 and has no leading zero. body is a part of b and not empty. ok is false
// for any other text.
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
		digit := int(c - '0')
		if version > (MaxVersion-digit)/10 {
			return 0, nil, false
		}
		version = version*10 + digit
	}
	return 0, nil, false
}

// Version returns the key version of a Transit ciphertext; false if b is none.
func Version(b []byte) (int, bool) {
	version, _, ok := Split(b)
	return version, ok
}

// Join returns "vault:vN:body".
func Join(version int, body string) []byte {
	return []byte(prefix + strconv.Itoa(version) + ":" + body)
}
