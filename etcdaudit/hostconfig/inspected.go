package hostconfig

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// inspected is what is kept of a file that was read.
func inspected(name string, o hostfacts.Opened, content []byte) facts.Inspected {
	f := facts.Inspected{Name: name, Path: o.Path, Bytes: int64(len(content)), ModTime: o.ModTime, Changed: o.Changed}
	if public(content) {
		f.Hash = fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	}
	return f
}

// public reports whether a file is certificates and revocation lists in PEM and nothing
// else, not even a comment.
func public(content []byte) bool {
	var again []byte
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" && block.Type != "X509 CRL" || len(block.Headers) > 0 {
			clear(block.Bytes) // perhaps a key
			return false
		}
		again = append(again, pem.EncodeToMemory(block)...)
	}
	return len(again) > 0 && bytes.Equal(again, content)
}
